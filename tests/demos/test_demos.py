import runpy
from pathlib import Path

DEMOS = Path(__file__).parent.parent.parent / "demos"


def test_the_pictures_of_the_readme_can_be_drawn_again(tmp_path):
    main = runpy.run_path(str(DEMOS / "readme_pictures.py"))["main"]
    main(["--only", "digits", "--epochs", "1", "--out", str(tmp_path)])
    drawn = {path.name for path in tmp_path.iterdir()}
    assert drawn == {path.name for path in (DEMOS / "pictures").glob("digits-*.png")}
