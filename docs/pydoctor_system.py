"""
What pydoctor has to be told to read our docstrings with warnings as errors.

It knows ``attr.s`` but neither ``define`` nor ``frozen``, nothing of interfaces outside
the package, and not Sphinx's ``~`` for a short label.  Links into other packages are
shown as text: to make them links takes inventories from the network.
"""

import ast
import builtins
import re
from importlib.util import find_spec
from typing import Any

from pydoctor import extensions, linker, model
from pydoctor.extensions import zopeinterface
from twisted.web.template import tags

_ATTRS = re.compile(r"\b(define|frozen)\b")


class System(model.System):
    """pydoctor's system, with the additions of this module."""

    custom_extensions = [__name__]  # noqa: RUF012 - declared so by pydoctor


class _Linker(linker._EpydocLinker):
    def link_xref(self, target: str, label: Any, lineno: int) -> Any:
        """Link to what is ours; a name of ours that does not exist is a warning."""
        if target.startswith("~"):
            target = target.lstrip("~.")
            label = target.rpartition(".")[2]
        root, dot, _ = target.partition(".")
        foreign = dot and root != "tustwisted" and find_spec(root)
        if foreign or hasattr(builtins, root):
            return tags.transparent(label)
        return super().link_xref(target, label, lineno)


class _Documented(extensions.DocumentableMixin):
    @property
    def docstring_linker(self) -> _Linker:
        """What turns names in the docstring into links."""
        return _Linker(self)


class _Visitor(extensions.ModuleVisitorExt):
    when = extensions.ModuleVisitorExt.When.AFTER

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        """Mark the attrs classes, and note which fields ``__init__`` takes."""
        if any(_ATTRS.search(ast.unparse(each)) for each in node.decorator_list):
            found = self.visitor.builder.current
            found.auto_attribs = True
            found.fields = {
                field.target.id.lstrip("_"): field.annotation
                for field in node.body
                if isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and "init=False" not in ast.unparse(field)
            }


class _AttrsClass(extensions.ClassMixin):
    @property
    def constructor_params(self) -> Any:
        """What ``:param`` fields of the class may speak about."""
        params = super().constructor_params
        for each in reversed(self.mro()):
            params = params | getattr(each, "fields", {})
        return params


def setup_pydoctor_extension(registrar: extensions.ExtRegistrar) -> None:
    """Called by pydoctor."""
    registrar.register_astbuilder_visitor(_Visitor)
    registrar.register_mixin(_Documented, _AttrsClass)
    zopeinterface.interface_prog = re.compile(
        r"zope\.interface\.Interface|twisted\.(\w+\.)*interfaces\.I\w+"
    )
