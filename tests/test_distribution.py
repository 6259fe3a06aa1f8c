"""What is shipped: a wheel and a source archive that hold what they should, and nothing else."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_bytes
from pathlib import Path

import numpy as np
import pytest

import scratchvae as sv

ROOT = Path(__file__).parent.parent
NAME = f"scratchvae-{sv.__version__}"
# what of the repository is in neither archive, and whatever else a source archive needs to be built and tested
LEFT_OUT = {".ci/run", ".gitattributes", ".github/workflows/tests.yml"}
AT_THE_TOP = {".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "noxfile.py", "pyproject.toml"}
FOLDERS = ("scratchvae", "tests", "demos")
# what a wheel holds besides Python
DATA = {"scratchvae/py.typed", "scratchvae/datasets/digits.npz"}


def build(root, to):
    """The wheel and the source archive that are built in the folder `root`."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(to)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    return to / f"{NAME}-py3-none-any.whl", to / f"{NAME}.tar.gz"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(built):
    """The content of each file of the wheel, by name."""
    with zipfile.ZipFile(built[0]) as archive:
        return {member.filename: archive.read(member) for member in archive.infolist()}


@pytest.fixture(scope="module")
def unpacked(built, tmp_path_factory):
    """Where the source archive was unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(built[1]) as archive:
        for member in archive:
            assert member.isfile() and member.name.startswith(f"{NAME}/") and ".." not in member.name
            (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / member.name).write_bytes(archive.extractfile(member).read())
    return folder / NAME


@pytest.fixture(scope="module")
def tracked():
    """Every file that the repository knows, as a path from its root."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout, or there is no git: nothing says which files belong to the project")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8")
    return set(filter(None, listed.stdout.split("\0")))


def files_under(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_the_package_its_data_its_licence_and_what_describes_it(wheel, tracked):
    python = {name for name in tracked if name.startswith("scratchvae/") and name.endswith(".py")}
    described = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert set(wheel) == python | DATA | described | {f"{NAME}.dist-info/licenses/LICENSE"}


def test_the_source_archive_holds_what_builds_and_tests_it(unpacked, tracked):
    belong = {name for name in tracked if name.partition("/")[0] in FOLDERS} | AT_THE_TOP
    assert files_under(unpacked) == belong | {"PKG-INFO"}  # a file more? git add it, or delete it
    assert tracked - belong == LEFT_OUT  # and each new one is to be on a list


def test_what_is_shipped_is_what_lies_in_the_repository(wheel, unpacked):
    for name in files_under(unpacked) - {"PKG-INFO"}:
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes(), name
    for name in wheel.keys() - {name for name in wheel if ".dist-info/" in name}:
        assert wheel[name] == (ROOT / name).read_bytes(), name
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_nothing_tells_of_the_machine_it_was_built_on(wheel, unpacked):
    contents = {**wheel, **{name: (unpacked / name).read_bytes() for name in files_under(unpacked)}}
    for place in (str(ROOT), ROOT.as_posix(), sys.prefix):
        assert [name for name, content in contents.items() if place.encode() in content] == []


def test_its_metadata_promises_numpy_alone_and_the_pythons_that_are_tested(wheel, unpacked):
    content = wheel[f"{NAME}.dist-info/METADATA"]
    told = message_from_bytes(content)
    assert content == (unpacked / "PKG-INFO").read_bytes()
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("scratchvae", sv.__version__, "MIT")
    assert told["Requires-Python"] == ">=3.11"
    needed = told.get_all("Requires-Dist")
    always = [line for line in needed if "extra ==" not in line]
    assert [line.partition(">=")[0] for line in always] == ["numpy"] * len(always)
    assert not [line for line in needed if "@" in line or "://" in line]
    extras = {"cli", "cuda12x", "cuda13x", "dev", "docs", "mutation", "oracles", "test"}
    assert set(told.get_all("Provides-Extra")) == extras
    pythons = [line.rpartition(" ")[2] for line in told.get_all("Classifier") if ":: Python :: 3." in line]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert b"Tag: py3-none-any" in wheel[f"{NAME}.dist-info/WHEEL"]
    scripts = wheel[f"{NAME}.dist-info/entry_points.txt"].decode().split()
    assert scripts == ["[console_scripts]", "scratchvae", "=", "scratchvae.cli:main"]


def test_it_is_built_to_the_same_bits_from_another_folder_and_from_the_source_archive(built, unpacked, tmp_path):
    copy = tmp_path / "elsewhere"
    for name in files_under(unpacked) - {"PKG-INFO"}:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
        os.utime(copy / name, (0, 1e9))
    first = [path.read_bytes() for path in built]
    assert [path.read_bytes() for path in build(copy, tmp_path / "a")] == first
    assert [path.read_bytes() for path in build(unpacked, tmp_path / "b")] == first


INSTALLED = """
import runpy, sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from importlib.metadata import entry_points, version

class NumPyAlone(PathFinder):
    there = {*sys.stdlib_module_names, "numpy", "scratchvae"}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return super().find_spec(name, path, target) if name.partition(".")[0] in cls.there else None

place, out = sys.argv[1:]
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, NumPyAlone]
sys.path.insert(0, place)
import numpy as np, scratchvae as sv
assert sv.__file__.startswith(place), sv.__file__
assert version("scratchvae") == sv.__version__
images = sv.datasets.load("digits").train.images
vae = sv.VAE(64, 3, (16,))
sv.Trainer(vae).fit(images, 2)
sv.save(vae, out + "/vae.npz")
np.save(out + "/codes.npy", vae.embed(images))
(script,) = entry_points(group="console_scripts", name="scratchvae")
run = ["train", "--epochs", "1", "--hidden", "8", "--latent", "2", "--out", out + "/run"]
assert script.load()(run) == 0
assert "matplotlib" not in sys.modules
sys.argv = ["scratchvae", "--help"]
runpy.run_module("scratchvae", run_name="__main__", alter_sys=True)
"""


def test_the_wheel_works_with_numpy_alone_and_this_checkout_reads_what_it_wrote(built, tmp_path):
    place, out = tmp_path / "site", tmp_path / "out"
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(place)  # which is all that installing a wheel of pure Python is
    out.mkdir()
    command = [sys.executable, "-I", "-c", INSTALLED, str(place), str(out)]
    done = subprocess.run(command, cwd=out, capture_output=True, encoding="utf-8", errors="replace", timeout=120)
    assert done.returncode == 0, done.stderr
    assert "usage: scratchvae" in done.stdout and "pip install 'scratchvae[cli]'" in done.stdout
    vae, images = sv.load(out / "vae.npz"), sv.datasets.load("digits").train.images
    assert vae.embed(images).tobytes() == np.load(out / "codes.npy").tobytes()
    assert sv.load(out / "run").latent_dim == 2


def test_the_workflow_runs_the_suite_on_each_python_that_is_promised_and_on_each_system(tracked):
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    (ran,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.M)
    assert ran == ", ".join(f'"{python}"' for python in promised)
    assert "os: [ubuntu-latest, macos-latest, windows-latest]" in workflow
    assert set(re.findall(r"session: oldest-(\S+),", workflow)) == {promised[0], promised[-1]}
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"session: ([a-z]+)", workflow)) == sessions - {"tests", "run_tests"}
