"""Tests of the wheel and the source archive: their files, their metadata, and that the wheel works."""

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
from scratchvae.explorer.page import SCRIPTS

ROOT = Path(__file__).parent.parent
NAME = f"scratchvae-{sv.__version__}"
# files of the repository that are in neither archive, and top-level files that the source archive contains
NOT_DISTRIBUTED = {
    *(".ci/run", ".gitattributes", ".pre-commit-config.yaml"),
    *(f".github/ISSUE_TEMPLATE/{name}.yml" for name in ("bug", "config", "idea")),
    *(f".github/workflows/{name}.yml" for name in ("release", "tests")),
}
TOP_LEVEL_FILES = {
    *(".gitignore", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("noxfile.py", "pyproject.toml"),
}
FOLDERS = ("scratchvae", "tests", "demos")
# files of the wheel that are not Python
PAGE = {f"scratchvae/explorer/browser/{name}" for name in (*SCRIPTS, "page.html", "style.css")}
DATA_FILES = {"scratchvae/py.typed", "scratchvae/datasets/digits.npz", *PAGE}


def build(root, target):
    """Build in the folder `root`; return the paths of the wheel and of the source archive in `target`."""
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(target)]
    subprocess.run(command, cwd=root, check=True, capture_output=True, timeout=120)
    return target / f"{NAME}-py3-none-any.whl", target / f"{NAME}.tar.gz"


@pytest.fixture(scope="module")
def archives(tmp_path_factory):
    return build(ROOT, tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def wheel(archives):
    """The content of each file of the wheel, by name."""
    with zipfile.ZipFile(archives[0]) as archive:
        return {member.filename: archive.read(member) for member in archive.infolist()}


@pytest.fixture(scope="module")
def unpacked(archives, tmp_path_factory):
    """The folder of the unpacked source archive."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archives[1]) as archive:
        for member in archive:
            assert member.isfile() and member.name.startswith(f"{NAME}/") and ".." not in member.name
            (folder / member.name).parent.mkdir(parents=True, exist_ok=True)
            (folder / member.name).write_bytes(archive.extractfile(member).read())
    return folder / NAME


@pytest.fixture(scope="module")
def tracked():
    """The paths of all tracked files, relative to the root of the repository."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("without git and a git checkout, the tracked files are unknown")
    result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, encoding="utf-8")
    return set(filter(None, result.stdout.split("\0")))


def files_under(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_contains_the_package_its_data_its_licence_and_its_metadata(wheel, tracked):
    python = {name for name in tracked if name.startswith("scratchvae/") and name.endswith(".py")}
    metadata = {f"{NAME}.dist-info/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}
    assert set(wheel) == python | DATA_FILES | metadata | {f"{NAME}.dist-info/licenses/LICENSE"}


def test_the_source_archive_contains_the_files_to_build_and_test_it(unpacked, tracked):
    expected = {name for name in tracked if name.partition("/")[0] in FOLDERS} | TOP_LEVEL_FILES
    assert files_under(unpacked) == expected | {"PKG-INFO"}  # git add an additional file, or delete it
    assert tracked - expected == NOT_DISTRIBUTED  # add each new file to one of the lists


def test_distributed_files_equal_those_of_the_repository(wheel, unpacked):
    for name in files_under(unpacked) - {"PKG-INFO"}:
        assert (unpacked / name).read_bytes() == (ROOT / name).read_bytes(), name
    for name in wheel.keys() - {name for name in wheel if ".dist-info/" in name}:
        assert wheel[name] == (ROOT / name).read_bytes(), name
    assert wheel[f"{NAME}.dist-info/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_no_file_contains_a_path_of_the_build_machine(wheel, unpacked):
    contents = {**wheel, **{name: (unpacked / name).read_bytes() for name in files_under(unpacked)}}
    for path in (str(ROOT), ROOT.as_posix(), sys.prefix):
        assert [name for name, content in contents.items() if path.encode() in content] == []


def test_the_metadata_requires_only_numpy_and_lists_the_tested_pythons(wheel, unpacked):
    content = wheel[f"{NAME}.dist-info/METADATA"]
    metadata = message_from_bytes(content)
    assert content == (unpacked / "PKG-INFO").read_bytes()
    assert (metadata["Name"], metadata["Version"], metadata["License-Expression"]) == (
        "scratchvae",
        sv.__version__,
        "MIT",
    )
    assert metadata["Requires-Python"] == ">=3.11"
    requirements = metadata.get_all("Requires-Dist")
    required = [line for line in requirements if "extra ==" not in line]
    assert [line.partition(">=")[0] for line in required] == ["numpy"] * len(required)
    assert not [line for line in requirements if "@" in line or "://" in line]
    extras = {"cli", "cuda12x", "cuda13x", "dev", "docs", "mpi", "mutation", "notebooks", "onnx", "oracles", "test"}
    assert set(metadata.get_all("Provides-Extra")) == extras
    pythons = [line.rpartition(" ")[2] for line in metadata.get_all("Classifier") if ":: Python :: 3." in line]
    assert pythons == ["3.11", "3.12", "3.13", "3.14"]
    assert b"Tag: py3-none-any" in wheel[f"{NAME}.dist-info/WHEEL"]
    entry_points = wheel[f"{NAME}.dist-info/entry_points.txt"].decode().splitlines()
    assert [line for line in entry_points if line] == [
        "[console_scripts]",
        "scratchvae = scratchvae.cli:main",
        "[pytest11]",
        "scratchvae = scratchvae.pytest_plugin",
    ]


def test_builds_from_another_folder_and_from_the_source_archive_are_identical(archives, unpacked, tmp_path):
    copy = tmp_path / "elsewhere"
    for name in files_under(unpacked) - {"PKG-INFO"}:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, copy / name)
        os.utime(copy / name, (0, 1e9))
    first = [path.read_bytes() for path in archives]
    assert [path.read_bytes() for path in build(copy, tmp_path / "a")] == first
    assert [path.read_bytes() for path in build(unpacked, tmp_path / "b")] == first


USE_INSTALLED_WHEEL = """
import runpy, sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from importlib.metadata import entry_points, version

class NumPyAlone(PathFinder):
    allowed = {*sys.stdlib_module_names, "numpy", "scratchvae"}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return super().find_spec(name, path, target) if name.partition(".")[0] in cls.allowed else None

site, out = sys.argv[1:]
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, NumPyAlone]
sys.path.insert(0, site)
import numpy as np, scratchvae as sv
assert sv.__file__.startswith(site), sv.__file__
assert version("scratchvae") == sv.__version__
images = sv.datasets.load("digits").train.images
vae = sv.VAE(64, 3, (16,))
sv.Trainer(vae).fit(images, 2)
sv.save(vae, out + "/vae.npz")
np.save(out + "/codes.npy", vae.embed(images))
(script,) = entry_points(group="console_scripts", name="scratchvae")
run = ["train", "--epochs", "1", "--hidden", "8", "--latent", "2", "--out", out + "/run"]
assert script.load()(run) == 0
assert script.load()(["explore", out + "/run"]) == 0
assert "matplotlib" not in sys.modules
sys.argv = ["scratchvae", "--help"]
runpy.run_module("scratchvae", run_name="__main__", alter_sys=True)
"""


def test_the_wheel_works_with_numpy_alone_and_its_files_can_be_loaded(archives, tmp_path):
    site, out = tmp_path / "site", tmp_path / "out"
    with zipfile.ZipFile(archives[0]) as archive:
        archive.extractall(site)  # the same as installing a pure Python wheel
    out.mkdir()
    command = [sys.executable, "-I", "-c", USE_INSTALLED_WHEEL, str(site), str(out)]
    result = subprocess.run(command, cwd=out, capture_output=True, encoding="utf-8", errors="replace", timeout=120)
    assert result.returncode == 0, result.stderr
    assert "usage: scratchvae" in result.stdout and "pip install 'scratchvae[cli]'" in result.stdout
    vae, images = sv.load(out / "vae.npz"), sv.datasets.load("digits").train.images
    assert vae.embed(images).tobytes() == np.load(out / "codes.npy").tobytes()
    assert sv.load(out / "run").latent_dim == 2


def test_the_workflow_tests_every_supported_python_and_system(tracked):
    workflow = (ROOT / ".github/workflows/tests.yml").read_text(encoding="utf-8")
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    supported = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', project)
    (tested,) = re.findall(r"^ +python: \[(.*)\]$", workflow, re.M)
    assert tested == ", ".join(f'"{python}"' for python in supported)
    assert "os: [ubuntu-latest, macos-latest, windows-latest]" in workflow
    assert set(re.findall(r"session: oldest-(\S+),", workflow)) == {supported[0], supported[-1]}
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), re.M))
    # mutation takes an hour, and judges the tests and not the sources
    assert set(re.findall(r"session: ([a-z_]+)", workflow)) == sessions - {"tests", "run_tests", "mutation"}


def test_a_release_has_one_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {sv.__version__}\n" in citation
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", changelog, re.M)
    assert headings[0] == "[Unreleased]"
    for heading in headings[1:]:
        assert re.fullmatch(r"\[\d+\.\d+\.\d+\] - \d{4}-\d{2}-\d{2}", heading), heading
    assert set(re.findall(r"^### (.*)$", changelog, re.M)) <= {
        "Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"
    }  # fmt: skip


def test_the_release_workflow_accepts_a_changelog_with_the_version_alone(tmp_path):
    """The step that compares a tag with the version, the citation and the changelog, as bash runs it."""
    bash = shutil.which("bash")
    if bash is None or sys.platform == "win32":
        pytest.skip("needs bash")
    workflow = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    (script,) = re.findall(r"agree\n +run: \|\n((?: {10}.*\n)+)", workflow)
    (tmp_path / "scratchvae").mkdir()
    shutil.copy(ROOT / "scratchvae" / "__init__.py", tmp_path / "scratchvae")
    shutil.copy(ROOT / "CITATION.cff", tmp_path)
    changelog = tmp_path / "CHANGELOG.md"

    def run(tag):
        environment = {"GITHUB_REF_NAME": tag, "PATH": os.environ["PATH"]}
        return subprocess.run([bash, "-e", "-c", script], cwd=tmp_path, env=environment, timeout=30).returncode

    changelog.write_text(f"## [Unreleased]\n\n## [{sv.__version__}] - 2026-01-31\n", encoding="utf-8")
    assert run(f"v{sv.__version__}") == 0
    assert run("v99.0.0") != 0
    changelog.write_text("## [Unreleased]\n", encoding="utf-8")
    assert run(f"v{sv.__version__}") != 0
