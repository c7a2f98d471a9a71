"""Tokens to a tree: the grammar of FHIRPath, http://hl7.org/fhirpath/N1/grammar.html.

Operators are read by precedence climbing. Only parentheses, arguments and signs nest, and these are counted, so that
no text can exhaust the stack.
"""

from __future__ import annotations

from decimal import Decimal

from fhir_dmp.fhirpath.expression import (
    Call,
    Chain,
    Expression,
    External,
    Item,
    Literal,
    Member,
    Nothing,
    Operation,
    Path,
    Polarity,
    Special,
    Step,
    TypeName,
)
from fhir_dmp.fhirpath.fault import expression_error
from fhir_dmp.fhirpath.lexer import Token, tokenize
from fhir_dmp.fhirpath.quantity import CALENDAR_UNITS, Quantity
from fhir_dmp.fhirpath.temporal import TemporalKind, parse_temporal
from fhir_dmp.outcome import FhirError

MAX_NESTING = 60
"""Parentheses, arguments and operators of tighter precedence inside one another; R4's invariants have 9."""

PRECEDENCE = (
    {"implies"},
    {"or", "xor"},
    {"and"},
    {"in", "contains"},
    {"=", "~", "!=", "!~"},
    {"<=", "<", ">", ">="},
    {"|"},
    {"is", "as"},
    {"+", "-", "&"},
    {"*", "/", "div", "mod"},
)
"""The binary operators, loosest first."""
_INTEGER_DIGITS = 18
"""Longer numbers are decimals."""
_LEVEL = {operator: level for level, operators in enumerate(PRECEDENCE) for operator in operators}
_TYPE_LEVEL = _LEVEL["is"]
_TEMPORAL_KINDS: dict[str, TemporalKind] = {"date": "Date", "datetime": "DateTime", "time": "Time"}
# `as`, `contains`, `in` and `is` are no keywords where a term is due: they name elements and functions
_KEYWORDS = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})


def parse_expression(text: str) -> Expression:
    """Returns the tree of an expression; raises FhirError (invalid parameter) that points to the fault."""
    return _Parser(text).parse()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0

    def parse(self) -> Expression:
        found = self._expression(0)
        if self._token.kind != "end":
            raise self._unexpected()
        return found

    @property
    def _token(self) -> Token:
        return self._tokens[self._at]

    def _unexpected(self) -> FhirError:
        token = self._token
        what = "it ends too early" if token.kind == "end" else f"unexpected '{token.text}'"
        return expression_error(self._text, token.position, what)

    def _is_symbol(self, text: str) -> bool:
        return self._token.kind == "symbol" and self._token.text == text

    def _accept(self, symbol: str) -> bool:
        found = self._is_symbol(symbol)
        self._at += found
        return found

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            raise self._unexpected()

    def _operator_level(self) -> int:
        """The level of the operator that comes next, -1 where none does."""
        token = self._token
        if token.kind not in {"symbol", "identifier"} or token.delimited:
            return -1
        return _LEVEL.get(token.text, -1)

    def _expression(self, level: int) -> Expression:
        """Reads operators of this level and tighter ones, without a call for each level between."""
        self._enter()
        left = self._operand()
        while (found := self._operator_level()) >= level:
            left = self._chain(left, found)
        self._depth -= 1
        return left

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise expression_error(self._text, self._token.position, f"it nests deeper than {MAX_NESTING} levels")

    def _chain(self, first: Expression, level: int) -> Chain:
        """Reads all operators of one level that follow, each with its right side."""
        self._enter()
        operations = []
        start = self._token.position
        while self._operator_level() == level:
            operator = self._token
            self._at += 1
            right = self._type_name() if level == _TYPE_LEVEL else self._right(level)
            operations.append(Operation(operator.position, operator.text, right))
        self._depth -= 1
        return Chain(start, first, tuple(operations))

    def _right(self, level: int) -> Expression:
        right = self._operand()
        while (found := self._operator_level()) > level:
            right = self._chain(right, found)
        return right

    def _type_name(self) -> TypeName:
        names = [self._identifier()]
        while self._accept("."):
            names.append(self._identifier())
        if len(names) > 2:  # noqa: PLR2004  # namespace and name
            raise expression_error(self._text, names[0].position, "a type has at most a namespace and a name")
        return TypeName(names[0].position, names[0].text if len(names) > 1 else "", names[-1].text)

    def _identifier(self) -> Token:
        token = self._token
        if token.kind != "identifier" or (token.text in _KEYWORDS and not token.delimited):
            raise self._unexpected()
        self._at += 1
        return token

    def _operand(self) -> Expression:
        """A term with its steps, and the signs before it."""
        start, position, negative = self._at, self._token.position, False
        while self._is_symbol("-") or self._is_symbol("+"):
            negative ^= self._token.text == "-"
            self._at += 1
        signed = self._at > start
        return Polarity(position, negative, self._steps()) if signed else self._steps()

    def _steps(self) -> Expression:
        start = self._token.position
        steps: list[Step] = []
        head: Expression | None = None
        if self._is_name():
            steps.append(self._invocation())
        else:
            head = self._term()
        while True:
            if self._accept("."):
                if self._token.kind == "special":
                    raise self._unexpected()
                steps.append(self._invocation())
            elif self._is_symbol("["):
                steps.append(self._item())
            else:
                break
        return head if head is not None and not steps else Path(start, head, tuple(steps))

    def _is_name(self) -> bool:
        token = self._token
        return token.kind == "identifier" and (token.delimited or token.text not in _KEYWORDS)

    def _invocation(self) -> Step:
        token = self._token
        if token.kind != "identifier":
            raise self._unexpected()
        self._at += 1
        if not self._accept("("):
            return Member(token.position, token.text)
        arguments: list[Expression] = []
        if not self._accept(")"):
            arguments.append(self._expression(0))
            while self._accept(","):
                arguments.append(self._expression(0))
            self._expect(")")
        return Call(token.position, token.text, tuple(arguments))

    def _item(self) -> Item:
        position = self._token.position
        self._at += 1
        index = self._expression(0)
        self._expect("]")
        return Item(position, index)

    def _term(self) -> Expression:
        token = self._token
        self._at += 1
        match token.kind:
            case "special":
                return Special(token.position, token.text)
            case "external":
                return External(token.position, token.text)
            case "symbol" if token.text in "({":
                return self._parenthesis(token)
            case "end" | "symbol":
                self._at -= 1
                raise self._unexpected()
            case _:
                return self._literal(token)

    def _parenthesis(self, token: Token) -> Expression:
        if token.text == "{":
            self._expect("}")
            return Nothing(token.position)
        found = self._expression(0)
        self._expect(")")
        return found

    def _literal(self, token: Token) -> Expression:
        if token.kind == "string":
            return Literal(token.position, token.text, "System.String")
        if token.kind == "number":
            return self._number(token)
        if token.kind in _TEMPORAL_KINDS:
            return self._temporal(token, _TEMPORAL_KINDS[token.kind])
        if token.text in {"true", "false"} and not token.delimited:
            return Literal(token.position, token.text == "true", "System.Boolean")
        self._at -= 1
        raise self._unexpected()

    def _temporal(self, token: Token, kind: TemporalKind) -> Expression:
        value = parse_temporal(token.text[1:].removeprefix("T") if kind == "Time" else token.text[1:], kind)
        if value is None:
            raise expression_error(self._text, token.position, f"there is no such {kind}")
        return Literal(token.position, value, f"System.{kind}")

    def _number(self, token: Token) -> Expression:
        unit = self._token
        if unit.kind == "string" or (unit.kind == "identifier" and unit.text in CALENDAR_UNITS and not unit.delimited):
            self._at += 1
            calendar = unit.kind == "identifier"
            name = CALENDAR_UNITS[unit.text] if calendar else unit.text
            return Literal(token.position, Quantity(Decimal(token.text), name, calendar), "System.Quantity")
        if "." in token.text or len(token.text) > _INTEGER_DIGITS:
            return Literal(token.position, Decimal(token.text), "System.Decimal")
        return Literal(token.position, int(token.text), "System.Integer")
