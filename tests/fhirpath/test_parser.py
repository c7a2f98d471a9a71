"""Tokens and trees: the grammar of http://hl7.org/fhirpath/N1/grammar.html."""

from __future__ import annotations

import pytest

from fhir_dmp.fhirpath.expression import (
    Call,
    Chain,
    Expression,
    External,
    Item,
    Literal,
    Member,
    Nothing,
    Path,
    Polarity,
    Special,
    Step,
    TypeName,
)
from fhir_dmp.fhirpath.lexer import tokenize
from fhir_dmp.fhirpath.parser import PRECEDENCE, parse_expression
from fhir_dmp.outcome import FhirError


def _written(node: Expression | TypeName) -> str:
    """The tree as text, every operation in parentheses."""
    match node:
        case Literal(_, value):
            text = str(value)
        case Nothing():
            text = "{}"
        case Special(_, name) | External(_, name):
            text = name
        case TypeName(_, namespace, name):
            text = f"{namespace}.{name}" if namespace else name
        case Polarity(_, negative, operand):
            text = f"({'-' if negative else '+'}{_written(operand)})"
        case Path(_, head, steps):
            text = ".".join([*([_written(head)] if head else []), *map(_step, steps)])
        case Chain(_, first, operations):
            text = _written(first)
            for row in operations:
                text = f"({text} {row.operator} {_written(row.right)})"
    return text


def _step(step: Step) -> str:
    match step:
        case Member(_, name):
            return name
        case Call(_, name, arguments):
            return f"{name}({', '.join(map(_written, arguments))})"
        case Item(_, index):
            return f"[{_written(index)}]"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("1+2*3", "(1 + (2 * 3))"),
        ("1*2+3", "((1 * 2) + 3)"),
        ("1-2-3", "((1 - 2) - 3)"),
        ("1+2&3", "((1 + 2) & 3)"),
        ("a or b and c", "(a or (b and c))"),
        ("a and b or c", "((a and b) or c)"),
        ("a implies b or c", "(a implies (b or c))"),
        ("a implies b implies c", "((a implies b) implies c)"),
        ("a = b and c != d", "((a = b) and (c != d))"),
        ("a | b is c", "(a | (b is c))"),
        ("1 > 2 is Boolean", "(1 > (2 is Boolean))"),
        ("a as FHIR.Patient", "(a as FHIR.Patient)"),
        ("a in b | c", "(a in (b | c))"),
        ("a contains b = c", "(a contains (b = c))"),
        ("a < b = c", "((a < b) = c)"),
        ("-a.b + c", "((-a.b) + c)"),
        ("-1.abs()", "(-1.abs())"),
        ("- + -1", "(+1)"),
        ("a.b[0].c(d, e)", "a.b.[0].c(d, e)"),
        ("(a or b).c", "(a or b).c"),
        ("$this.a", "$this.a"),
        ("%resource.a", "resource.a"),
        ("%`x-y`", "x-y"),
        ("%'x-y'", "x-y"),
        ("contains.contains(in)", "contains.contains(in)"),
        ("as(x) as y", "(as(x) as y)"),
        ("is is is", "(is is is)"),
        ("day.days(1 day)", "day.days(1 day)"),
        ("a.div.mod", "a.div.mod"),
        ("`and` and `or`", "(and and or)"),
        ("{}.a", "{}.a"),
        ("1 'mg' + 2 years", "(1 'mg' + 2 year)"),
        ("a.where(b=1)[0]", "a.where((b = 1)).[0]"),
        ("a // b\n.c /* d */ .e", "a.c.e"),
        ("a div b mod c", "((a div b) mod c)"),
        ("a ~ b !~ c", "((a ~ b) !~ c)"),
        ("a xor b or c", "((a xor b) or c)"),
    ],
)
def test_tree(text: str, tree: str) -> None:
    assert _written(parse_expression(text)) == tree


@pytest.mark.parametrize("tight", range(1, len(PRECEDENCE)))
def test_each_level_binds_tighter_than_the_one_before(tight: int) -> None:
    loose = tight - 1
    for one in PRECEDENCE[loose]:
        for other in PRECEDENCE[tight]:
            if one in {"is", "as"}:
                continue
            assert _written(parse_expression(f"a {one} b {other} c")) == f"(a {one} (b {other} c))"


@pytest.mark.parametrize(
    "text",
    [
        "and",
        "a and",
        "a.",
        ".a",
        "a b",
        "a[",
        "a[]",
        "a(1",
        "a(,)",
        "1 2",
        "a is 1",
        "a is",
        "%",
        "$that",
        "@",
        "@20",
        "a..b",
        "a.$this",
        "a.1",
        "'a",
        "`a",
        "1.",
        "true.",
        "a ! b",
        "a == b",
        "a && b",
        "(",
        ")",
        "a,b",
        "{a}",
        "div b",
    ],
)
def test_what_is_no_expression_is_refused(text: str) -> None:
    with pytest.raises(FhirError):
        parse_expression(text)


def test_tokens_know_their_positions() -> None:
    found = [(token.kind, token.text, token.position) for token in tokenize("a.where(%x = 'b\\'c') // end")]
    assert found == [
        ("identifier", "a", 0),
        ("symbol", ".", 1),
        ("identifier", "where", 2),
        ("symbol", "(", 7),
        ("external", "x", 8),
        ("symbol", "=", 11),
        ("string", "b'c", 13),
        ("symbol", ")", 19),
        ("end", "", 27),
    ]
