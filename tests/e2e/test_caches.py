"""Caches and folders in which others have planted files: nothing planted is run, signed or packaged."""

import shutil
import stat
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import server
from errors import assert_error
from manifests import ECHO

TABLE = '\n[keys.ci]\npublic-key = "{}"\nstages = ["dev"]\n'


@dataclass
class Cached:
    """A small app, and a cache folder of its own."""

    tidegate: Path
    folder: Path
    home: Path

    @property
    def cache(self) -> Path:
        return self.home / "tidegate"

    @property
    def compiled(self) -> Path:
        return self.folder / ".tidegate" / "release" / "components" / "echo.cwasm"

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.tidegate, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
            env=server.environment() | {"XDG_CACHE_HOME": str(self.home)},
        )

    def build(self) -> str:
        """Builds the app, and returns what the build printed on standard error."""
        done = self.run("build", self.folder)
        assert done.returncode == 0, done.stderr
        return done.stderr

    def entries(self) -> list[Path]:
        return sorted(path for path in self.cache.iterdir() if path.name != "key")


@pytest.fixture
def cached(tidegate, guests, tmp_path) -> Cached:
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "tidegate.toml").write_text(ECHO)
    shutil.copy(guests("chat_echo"), folder / "echo.wasm")
    return Cached(tidegate, folder, tmp_path / "home")


def compiles(errors: str) -> bool:
    return "compiling echo" in errors


def test_cache_is_private_and_in_the_cache_folder_of_the_user(cached):
    assert compiles(cached.build())
    assert stat.S_IMODE(cached.cache.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in cached.cache.iterdir()} == {0o600}
    assert not (cached.folder / ".tidegate" / "cache").exists()
    honest = cached.compiled.read_bytes()
    assert not compiles(cached.build())
    assert cached.compiled.read_bytes() == honest


@pytest.mark.parametrize("plant", ["without a code", "with a wrong code", "under another name"])
def test_planted_entry_is_compiled_again_and_replaced(cached, guests, plant):
    cached.build()
    honest = cached.compiled.read_bytes()
    (entry,) = cached.entries()
    authentic = entry.read_bytes()
    if plant == "without a code":
        entry.write_bytes(honest)
    elif plant == "with a wrong code":
        entry.write_bytes(bytes([authentic[0] ^ 1]) + authentic[1:])
    else:
        shutil.copy(guests("guest_echo"), cached.folder / "echo.wasm")
        cached.run("build", cached.folder)
        shutil.copy(guests("chat_echo"), cached.folder / "echo.wasm")
        (other,) = (path for path in cached.entries() if path != entry)
        entry.write_bytes(other.read_bytes())
    errors = cached.build()
    assert compiles(errors) and "cannot use the cached artifact" in errors
    assert cached.compiled.read_bytes() == honest
    assert entry.read_bytes() == authentic
    assert not compiles(cached.build())


@pytest.mark.parametrize("unsafe", ["link", "writable"])
def test_cache_that_others_can_change_is_not_used(cached, unsafe, tmp_path):
    cached.build()
    honest = cached.compiled.read_bytes()
    if unsafe == "link":
        cached.cache.rename(tmp_path / "elsewhere")
        cached.cache.symlink_to(tmp_path / "elsewhere")
    else:
        cached.cache.chmod(0o777)
    errors = cached.build()
    assert compiles(errors) and "cache-unsafe" in errors
    assert cached.compiled.read_bytes() == honest


def test_release_and_package_have_honest_artifacts_whatever_is_planted(cached, guests, run, tmp_path):
    key = tmp_path / "ci.pem"
    made = run("keys", "new", "ci", "--output", key)
    (cached.folder / "tidegate.toml").write_text(f"{ECHO}\n{made.stdout}")

    def created(store: str) -> tuple[str, dict]:
        options = ["--key", key, "--store", tmp_path / store]
        done = cached.run("release", "create", cached.folder, *options)
        assert done.returncode == 0, done.stderr
        release = done.stdout.strip()
        names = sorted(path.name for path in (tmp_path / store / "artifacts").iterdir())
        return release, names

    def packaged() -> bytes:
        bootstrap, output = tmp_path / "bootstrap", tmp_path / "app.zip"
        bootstrap.write_bytes(b"\x7fELF".ljust(18, b"\x02") + b"\x3e\x00rest")
        done = cached.run(
            "package", cached.folder, "--target", "x86_64", "--bootstrap", bootstrap, "--output", output
        )
        assert done.returncode == 0, done.stderr
        with zipfile.ZipFile(output) as package:
            return package.read("components/echo.cwasm")

    honest, honest_package = created("honest"), packaged()
    # Other native code, under every name that a cache of this or an earlier version has for the component. The last
    # entry is even authentic: a program of the same user could have written it.
    cached.build()
    names = [path.name for path in cached.entries()]
    assert names
    old = cached.folder / ".tidegate" / "cache" / "x86_64-unknown-linux-gnu"
    old.mkdir(parents=True)
    for name in names:
        (old / f"{name}.cwasm").write_bytes(b"\x7fELF planted")
        (cached.cache / name).write_bytes(b"\x7fELF planted")
    assert created("planted") == honest
    assert packaged() == honest_package
    assert not old.parent.exists()


@pytest.mark.parametrize("name", [".tidegate", "releases", "runs", "data", "release"])
def test_links_in_the_state_folder_are_refused(cached, run, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "folder").mkdir(parents=True)
    state = cached.folder / ".tidegate"
    if name == ".tidegate":
        state.symlink_to(elsewhere)
    else:
        state.mkdir()
        (state / name).symlink_to(elsewhere)
    for arguments in (["build", cached.folder], ["dev", cached.folder, "--port", "0"]):
        assert_error(run(*arguments), "state-folder-unsafe", f"{cached.folder}/.tidegate")
    assert [path.name for path in elsewhere.iterdir()] == ["folder"]
