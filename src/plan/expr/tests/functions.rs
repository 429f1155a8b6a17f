//! Every function of the closed list.

use serde_json::json;

use super::{failures, values};

#[test]
fn conversions() {
    values(&[
        ("int('42') + int(4.9) + int(1)", json!(47)),
        ("double('1.5') + double(1)", json!(2.5)),
        (
            "string(1) + string(1.0) + string(0.1) + string(true) + string('x')",
            json!("110.1truex"),
        ),
        ("string(1e300)", json!("1e300")),
        ("bool('true') && !bool('0')", json!(true)),
        ("dyn(1)", json!(1)),
        (
            "size('café') + size([1, 2]) + size(params.labels)",
            json!(9),
        ),
        ("'abc'.size() + [].size()", json!(3)),
        (
            "json([1, 'a\"b', null, 1.5])",
            json!("[1,\"a\\\"b\",null,1.5]"),
        ),
    ]);
    failures(&[
        (
            "int('x')",
            "column 1: `int`: the string is no decimal 64-bit integer",
        ),
        ("int(1e300)", "column 1: `int`: the double is beyond"),
        ("int(0.0 / 0.0)", "column 1: `int`: the double is beyond"),
        ("double('x')", "column 1: `double`: the string is no number"),
        (
            "bool('yes')",
            "column 1: `bool`: the string is neither true nor false",
        ),
        ("string([])", "column 1: `string` doesn't take list"),
        ("size(1)", "column 1: `size` doesn't take int"),
    ]);
}

#[test]
fn strings() {
    values(&[
        (
            "'abc'.contains('b') && 'abc'.startsWith('a') && 'abc'.endsWith('c')",
            json!(true),
        ),
        (
            "'tacocat'.charAt(3) + '©αT'.charAt(1) + 'a'.charAt(1)",
            json!("oα"),
        ),
        (
            "['hello mellow'.indexOf('ello'), 'ab'.indexOf('x'), 'ab'.indexOf('')]",
            json!([1, -1, 0]),
        ),
        (
            "['ta©o©αT'.indexOf('©', 3), 'abc'.indexOf('', 20)]",
            json!([4, 3]),
        ),
        (
            "['hello mellow'.lastIndexOf('ello'), 'ta©o©αT'.lastIndexOf('©', 3)]",
            json!([7, 2]),
        ),
        ("'bananananana'.lastIndexOf('nana', 7)", json!(6)),
        (
            "['a', 'b'].join() + ['a', 'b'].join('-') + [].join('-')",
            json!("aba-b"),
        ),
        ("'AbÉ'.lowerAscii() + 'aé'.upperAscii()", json!("abÉAé")),
        ("' \\t a b\\n'.trim()", json!("a b")),
        ("'hello'.replace('l', 'LL')", json!("heLLLLo")),
        (
            "'hello'.replace('l', 'L', 1) + 'ab'.replace('', '-')",
            json!("heLlo-a-b-"),
        ),
        ("'a,b,c'.split(',')", json!(["a", "b", "c"])),
        ("'a,b,c'.split(',', 2)", json!(["a", "b,c"])),
        ("'a,b'.split(',', 0)", json!([])),
        ("'aé'.split('')", json!(["a", "é"])),
        ("'abc'.split('', 2)", json!(["a", "bc"])),
        ("''.split('')", json!([])),
        ("''.split(',')", json!([""])),
        (
            "'tacocat'.substring(4) + 'tacocat'.substring(0, 4)",
            json!("cattaco"),
        ),
        ("'aéc'.reverse()", json!("céa")),
        ("strings.quote('a\"\\n')", json!("\"a\\\"\\n\"")),
        ("'2026-11-22'.matches('^[0-9-]{10}$')", json!(true)),
        ("matches('x', r'\\d')", json!(false)),
    ]);
    failures(&[
        (
            "'abc'.charAt(4)",
            "column 7: `charAt`: the position is outside the string",
        ),
        (
            "'abc'.substring(2, 1)",
            "column 7: `substring`: the end is before the start",
        ),
        ("'abc'.substring(-1)", "column 7: `substring`: the position"),
        ("'abc'.indexOf('a', 3)", "column 7: `indexOf`: the position"),
        ("[1].join()", "column 5: `join` doesn't take list"),
        (
            "1.contains('a')",
            "column 3: `contains` doesn't take int and string",
        ),
    ]);
}

#[test]
fn format() {
    values(&[
        (
            "'%s and %s: %d%%'.format(['a', true, 3])",
            json!("a and true: 3%"),
        ),
        (
            "'%.2f %f %.1e'.format([1.005, 1, 1500.0])",
            json!("1.00 1.000000 1.5e+03"),
        ),
        (
            "'%b %o %x %X %x'.format([5, -8, 255, 255, 'hi'])",
            json!("101 -10 ff FF 6869"),
        ),
    ]);
    failures(&[
        (
            "'%s'.format([])",
            "column 6: `format`: there are more clauses",
        ),
        ("'%q'.format([1])", "column 6: `format`: a clause is one of"),
        ("'%'.format([1])", "column 5: `format`: a clause is one of"),
        ("'%.101f'.format([1.0])", "column 10: `format`: a precision"),
        (
            "'%.999999999999999999999f'.format([1.0])",
            "column 28: `format`: a precision",
        ),
        (
            "'%s'.format([[1]])",
            "column 6: `format`: %s takes no lists or maps; use json()",
        ),
        (
            "'%d'.format(['a'])",
            "column 6: `format`: %d, %f and %e take numbers",
        ),
    ]);
}

#[test]
fn lists() {
    values(&[
        ("lists.range(3)", json!([0, 1, 2])),
        (
            "[3, 1, 2].sort() + ['b', 'a'].sort().map(x, size(x))",
            json!([1, 2, 3, 1, 1]),
        ),
        ("[1, 2, 1.0, 'a'].distinct()", json!([1, 2, "a"])),
        ("[1, 2, 3].reverse()", json!([3, 2, 1])),
        ("[1, 2, 3].slice(1, 3)", json!([2, 3])),
        ("[1, [2, [3]]].flatten()", json!([1, 2, [3]])),
        ("[1, [2, [3, [4]]]].flatten(2)", json!([1, 2, 3, [4]])),
        ("[[1]].flatten(0)", json!([[1]])),
    ]);
    failures(&[
        (
            "lists.range(20001)",
            "column 7: `lists.range`: a range has between 0 and 20000",
        ),
        ("lists.range(-1)", "column 7: `lists.range`"),
        (
            "[1, 'a'].sort()",
            "column 10: `sort`: what is sorted by must be all int",
        ),
        ("[0.0 / 0.0, 1.0].sort()", "column 18: `sort`"),
        ("[[1]].sort()", "column 7: `sort`"),
        (
            "[1].slice(0, 2)",
            "column 5: `slice`: the position is outside",
        ),
        ("[1].slice(1, 0)", "column 5: `slice`: the end is before"),
        ("[1].flatten(-1)", "column 5: `flatten`"),
    ]);
}

#[test]
fn numbers() {
    values(&[
        (
            "math.greatest(1, 2.5, 2) + double(math.least([3, 1, 2]))",
            json!(3.5),
        ),
        ("math.abs(-3) + math.sign(-3)", json!(2)),
        (
            "[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.trunc(1.7)]",
            json!([2.0, -2.0, -2.0, 1.0]),
        ),
        (
            "math.isNaN(0.0 / 0.0) && math.isInf(1.0 / 0.0) && math.isFinite(1.0)",
            json!(true),
        ),
        ("math.sqrt(16)", json!(4.0)),
        (
            "[math.bitAnd(6, 3), math.bitOr(6, 3), math.bitXor(6, 3), math.bitNot(0)]",
            json!([2, 7, 5, -1]),
        ),
        (
            "[math.bitShiftLeft(1, 3), math.bitShiftLeft(1, 64), math.bitShiftRight(-1, 63)]",
            json!([8, 0, 1]),
        ),
    ]);
    failures(&[
        (
            "math.abs(-9223372036854775808)",
            "column 6: the result of `math.abs`",
        ),
        (
            "math.greatest([])",
            "column 6: `math.greatest`: the list is empty",
        ),
        (
            "math.greatest('a', 1)",
            "column 6: `math.greatest` doesn't take string and int",
        ),
        (
            "math.bitShiftLeft(1, -1)",
            "column 6: `math.bitShiftLeft`: the number of bits is negative",
        ),
        ("math.ceil(1)", "column 6: `math.ceil` doesn't take int"),
    ]);
}
