"""An emulated AWS, and apps deployed on it."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import deployment
import emulator
import pytest
from deployment import Deployment
from emulator import Emulator
from fixture_package import write_package

STAND_IN = Path(__file__).parent / "stand_in.py"


@pytest.fixture(scope="session")
def ministack(tmp_path_factory) -> Iterator[Emulator]:
    """An emulated AWS whose execution roles allow what their policies say."""
    with emulator.running(tmp_path_factory.mktemp("ministack"), enforce_policies=True) as started:
        yield started


@pytest.fixture(scope="session")
def bootstrap() -> bytes:
    """The stand-in, run by the Python of the tests, which has what it imports."""
    return STAND_IN.read_text().replace("#!PYTHON", f"#!{sys.executable}", 1).encode()


@pytest.fixture(scope="session")
def package(bootstrap, tmp_path_factory) -> Path:
    """A package whose bootstrap is the stand-in."""
    return write_package(tmp_path_factory.mktemp("package") / "chat.zip", bootstrap=bootstrap)


@pytest.fixture(scope="session")
def deployed_app(ministack, tmp_path_factory) -> Iterator[Callable[..., Deployment]]:
    """Deploys a package under a name of its own; `change` edits the template first."""
    made: list[Deployment] = []
    assemblies: dict[Path, Path] = {}

    def deployed(package: Path, change=None) -> Deployment:
        if package not in assemblies:
            assemblies[package] = deployment.synthesize(package, tmp_path_factory.mktemp("cdk.out"), ministack)
        made.append(deployment.deploy(ministack, assemblies[package], f"app-{len(made)}", change=change))
        return made[-1]

    yield deployed
    for one in made:
        deployment.delete(one)


@pytest.fixture(scope="session")
def app(deployed_app, package) -> Deployment:
    """The stand-in's chat, deployed once."""
    return deployed_app(package)
