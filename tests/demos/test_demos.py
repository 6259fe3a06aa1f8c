import runpy
from pathlib import Path

DEMOS = Path(__file__).parent.parent.parent / "demos"


def test_the_pictures_of_the_readme_can_be_drawn_again(tmp_path):
    main = runpy.run_path(str(DEMOS / "readme_pictures.py"))["main"]
    main(["--only", "digits", "--epochs", "1", "--out", str(tmp_path)])
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DEMOS / "pictures").glob("digits-*.png")}


def test_your_own_layer_is_checked_in_a_few_lines(capsys):
    runpy.run_path(str(DEMOS / "check_your_layer.py"))
    right, careless, slip, kink = capsys.readouterr().out.strip().split("\n\n")
    assert "every gradient agrees" in right
    assert "wrong" in careless and "1 of 3 WRONG" in careless
    assert "at [3]" in slip
    assert "kink" in kink and "1 of 1 NOT JUDGED" in kink


def test_the_museum_shows_a_bug_its_curve_and_what_catches_it(tmp_path, capsys):
    main = runpy.run_path(str(DEMOS / "bug_museum.py"))["main"]
    main(["--only", "4", "--epochs", "1", "--out", str(tmp_path / "museum.png")])
    text = capsys.readouterr().out
    assert "- dx *= self.y" in text and "loss after 1 epochs" in text
    assert "caught by  Sigmoid by finite-difference: dx wrong at" in text
    assert (tmp_path / "museum.png").stat().st_size > 10_000
