"""Values of the wrong kind end in one sentence, without type checks at run time too: a user has none."""

import json
import subprocess
import sys

import pytest

CASES = {
    'theory.jsd(["a", "b"], [0.5, 0.5])': "['a', 'b'] isn't a number",
    "theory.jsd([[0.5, 0.5], [1.0]], [0.5, 0.5])": "rows of one length",
    "theory.kl(None, [1.0])": "None isn't a number",
    "theory.kl([1j], [1.0])": "complex",
    'theory.Gaussian("a", 1)': "'a' isn't a number",
    "theory.Mixture([1, 2], [0.5, 0.5])": "1 can't stand here: give a density",
    'theory.divergence("kl", [0.5, 0.5], theory.Gaussian(0, 1))': "[0.5, 0.5] can't stand here: give a density",
    'theory.game_value("minimax", [0.5, 0.5], [0.5, 0.5])': "'minimax' can't stand here: give a row",
    "theory.Grid(-5, 5, 100.5)": "give whole numbers",
    'theory.wasserstein_1d("x", [0.5, 0.5])': "'x' isn't a number",
}


@pytest.fixture(scope="module")
def said() -> dict[str, str]:
    """What each case says, in a process without the type checks of the tests."""
    code = (
        "import json, sys\nfrom ganforge import theory\nfrom ganforge.errors import TheoryError\nsaid = {}\n"
        "for case in json.load(sys.stdin):\n"
        "    try:\n        said[case] = 'no error: %r' % (eval(case),)\n"
        "    except Exception as error:\n"
        "        said[case] = str(error) if isinstance(error, TheoryError) else repr(error)\n"
        "print(json.dumps(said))"
    )
    words = json.dumps(list(CASES))
    done = subprocess.run([sys.executable, "-c", code], input=words, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("case", CASES)
def test_a_value_of_the_wrong_kind_is_quoted(case: str, said: dict[str, str]) -> None:
    assert CASES[case] in said[case]
    assert "\n" not in said[case]


def test_a_grid_on_the_line_takes_plain_numbers() -> None:
    from ganforge.theory import Grid

    assert Grid(-5, 5, 100) == Grid((-5.0,), (5.0,), (100,))
