//! Random expressions that mostly have a value.

use proptest::prelude::*;

/// Expressions of one type each, so that most of them have a value.
#[derive(Clone, Copy)]
enum Of {
    Int,
    Double,
    Text,
    Bool,
    Ints,
    Texts,
}

fn leaf(of: Of) -> BoxedStrategy<String> {
    let fixed: &[&str] = match of {
        Of::Int => &["0", "1", "-1", "7", "9223372036854775807", "params.i", "params.n[0]", "params.m.i", "attempt"],
        Of::Double => &["0.0", "1.5", "-2.5", "params.d", "1e3"],
        Of::Text => &["''", "'a'", "'aé☕b'", "','", "params.s", "params.t[0]", "params['s']", "'%s'"],
        Of::Bool => &["true", "false", "params.b", "has(params.i)", "has(params.zz)", "params.zz"],
        Of::Ints => &["[]", "[1, 2, 1]", "params.n", "lists.range(4)"],
        Of::Texts => &["[]", "['b', 'a']", "params.t"],
    };
    proptest::sample::select(fixed).prop_map(str::to_owned).boxed()
}

/// Templates in which `I D T B L S` stand for expressions of the six types.
fn templates(of: Of) -> &'static [&'static str] {
    match of {
        Of::Int => INT,
        Of::Double => DOUBLE,
        Of::Text => TEXT,
        Of::Bool => BOOL,
        Of::Ints => INTS,
        Of::Texts => TEXTS,
    }
}

fn expression(of: Of, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(of);
    }
    let filled = proptest::sample::select(templates(of)).prop_flat_map(move |template| {
        let pieces: Vec<BoxedStrategy<String>> = pieces(template)
            .into_iter()
            .map(|piece| match piece {
                Ok(of) => expression(of, depth - 1),
                Err(text) => Just(text).boxed(),
            })
            .collect();
        pieces.prop_map(|pieces| pieces.concat())
    });
    prop_oneof![1 => leaf(of), 4 => filled].boxed()
}

/// The holes of a template, and the text between them. Quoted text and names have no holes.
fn pieces(template: &str) -> Vec<Result<Of, String>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut is_quoted = false;
    let mut last = ' ';
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        is_quoted ^= c == '\'';
        let alone = !last.is_alphanumeric() && !chars.peek().is_some_and(char::is_ascii_alphanumeric);
        let hole = match c {
            'I' => Some(Of::Int),
            'D' => Some(Of::Double),
            'T' => Some(Of::Text),
            'B' => Some(Of::Bool),
            'L' => Some(Of::Ints),
            'S' => Some(Of::Texts),
            _ => None,
        };
        match hole {
            Some(of) if alone && !is_quoted => {
                pieces.push(Err(std::mem::take(&mut text)));
                pieces.push(Ok(of));
            }
            _ => text.push(c),
        }
        last = c;
    }
    pieces.push(Err(text));
    pieces
}

/// An expression of any of the types.
pub(super) fn any_expression() -> impl Strategy<Value = String> {
    prop_oneof![
        expression(Of::Int, 3),
        expression(Of::Double, 3),
        expression(Of::Text, 3),
        expression(Of::Bool, 3),
        expression(Of::Ints, 3),
        expression(Of::Texts, 3),
    ]
}

const INT: &[&str] = &[
    "(I + I)",
    "(I - I)",
    "(I * I)",
    "(I / I)",
    "(I % I)",
    "-(I)",
    "(B ? I : I)",
    "int(D)",
    "int(T)",
    "size(T)",
    "L.size()",
    "L[I]",
    "T.indexOf(T)",
    "T.indexOf(T, I)",
    "T.lastIndexOf(T)",
    "T.lastIndexOf(T, I)",
    "math.greatest(I, I)",
    "math.least(L)",
    "math.abs(I)",
    "math.sign(I)",
    "math.bitShiftLeft(I, I)",
    "math.bitShiftRight(I, I)",
    "math.bitAnd(I, I)",
    "math.bitNot(I)",
    "params.?zz.orValue(I)",
    "L[?I].orValue(I)",
    "params.m.?i.orValue(I)",
    "dyn(I)",
];

const DOUBLE: &[&str] = &[
    "(D + D)",
    "(D - D)",
    "(D * D)",
    "(D / D)",
    "-(D)",
    "double(I)",
    "double(T)",
    "math.round(D)",
    "math.floor(D)",
    "math.ceil(D)",
    "math.trunc(D)",
    "math.abs(D)",
    "math.sqrt(D)",
    "(B ? D : D)",
    "math.sign(D)",
];

const TEXT: &[&str] = &[
    "(T + T)",
    "string(I)",
    "string(B)",
    "T.lowerAscii()",
    "T.upperAscii()",
    "T.trim()",
    "T.replace(T, T)",
    "T.replace(T, T, I)",
    "T.substring(I)",
    "T.substring(I, I)",
    "T.charAt(I)",
    "S.join(T)",
    "S.join()",
    "S[I]",
    "T.reverse()",
    "strings.quote(T)",
    "'%s-%d'.format([T, I])",
    "'%.2f %x %b'.format([D, I, I])",
    "(B ? T : T)",
    "'%e|%o|%X|%x'.format([D, I, I, T])",
    "T.format([T, I, B])",
];

const BOOL: &[&str] = &[
    "(B && B)",
    "(B || B)",
    "!(B)",
    "(I < I)",
    "(I == I)",
    "(I <= D)",
    "(D > I)",
    "(D == I)",
    "(T < T)",
    "(T == T)",
    "(T != T)",
    "(L == L)",
    "(S == S)",
    "(I in L)",
    "(T in S)",
    "(D in L)",
    "T.contains(T)",
    "T.startsWith(T)",
    "T.endsWith(T)",
    "T.matches('^[a-c]*$')",
    "L.all(x, x > I)",
    "L.exists(x, I / x == 1)",
    "L.exists_one(x, x == I)",
    "S.all(y, y.contains(T))",
    "math.isNaN(D)",
    "bool(T)",
    "(type(I) == int)",
    "(T in params.m)",
    "(B ? B : B)",
    "(params.m == params.m)",
    "optional.of(I).hasValue()",
    "(params.?zz == params.?i)",
];

const INTS: &[&str] = &[
    "(L + L)",
    "[I, I]",
    "L.map(x, x + I)",
    "L.filter(x, x > I)",
    "L.map(x, x > I, x * I)",
    "L.sort()",
    "L.reverse()",
    "L.distinct()",
    "L.slice(I, I)",
    "L.sortBy(x, -x)",
    "[L, L].flatten()",
    "[L, [L]].flatten(2)",
    "lists.range(I)",
    "S.map(y, y.size())",
    "[?params.?i, ?params.?zz]",
    "L.map(x, L.map(z, x * z).size())",
];

const TEXTS: &[&str] = &[
    "(S + S)",
    "[T, T]",
    "T.split(T)",
    "T.split(T, I)",
    "S.map(y, y + T)",
    "S.filter(y, y > T)",
    "S.sort()",
    "S.reverse()",
    "S.distinct()",
    "L.map(x, string(x))",
    "S.sortBy(y, y.size())",
];
