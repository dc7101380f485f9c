"""What pip installs: ``core``, room by room, under the name that Python programs import. The rest: pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=["attention_drag", *(f"attention_drag.{room}" for room in find_packages("core"))],
    package_dir={"attention_drag": "core"},
    package_data={"attention_drag.region": ["*.safetensors"]},
)
