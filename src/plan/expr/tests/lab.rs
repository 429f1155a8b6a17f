use super::*;
use std::time::Instant;
#[test]
fn lab_times() {
    let roots = roots();
    for text in [
        "params.date",
        "tasks.extract.outputs.rows > 0",
        "params.regions.map(r, r + '-' + params.date)",
        "'%s/%s'.format([run.name, params.date])",
        "tasks['load-sales'].outputs.?rows.orValue(-1)",
    ] {
        let n = 2000;
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(Expr::parse(text, Place::Env).unwrap());
        }
        let p = t.elapsed() / n;
        let e = parse(text);
        let t = Instant::now();
        for _ in 0..n {
            std::hint::black_box(e.evaluate(&roots).unwrap());
        }
        println!("LAB {text}: parse {p:?} evaluate {:?}", t.elapsed() / n);
    }
    let big: Vec<Json> = (0..20000).map(|i| json!(format!("item-{i}"))).collect();
    let roots =
        BTreeMap::from([("params".to_owned(), json!({"l": big, "s": "x".repeat(190_000), "w": "é☕".repeat(30_000)}))]);
    for text in [
        "params.l.map(x, x + 'y').size()",
        "lists.range(20000).map(x, lists.range(20000).map(y, x + y)).size()",
        "lists.range(2000).distinct().size()",
        "params.l.sort().size()",
        "params.l.distinct().size()",
        "params.l.all(x, params.l.exists(y, y == x + 'z'))",
        "params.s.replace('x', 'yy').size()",
        "params.l.map(x, params.s.indexOf('y')).size()",
        "params.l.map(x, params.s.charAt(189999)).size()",
        "params.l.map(x, params.w.lastIndexOf('é', 50000)).size()",
        "params.l.map(x, params.s.reverse()).size()",
        "params.s.split('').map(x, x + x).join().size()",
        "params.l.map(x, '%.100f'.format([1e300])).size()",
        "params.l.map(x, json(params.l)).size()",
        "params.l.map(x, params.s + params.s).size()",
        "params.l.map(x, params.s.lowerAscii()).size()",
        "params.l.map(x, params.s.replace('', 'ab')).size()",
        "params.l.map(x, params.s.split('x')).size()",
        "params.l.map(x, 'abcdef' in params.l).size()",
        "params.l == params.l",
        "params.l.sortBy(x, x.reverse()).size()",
        "[params.l].map(x, x + x).map(x, x + x).map(x, x + x)[0].size()",
    ] {
        let e = parse(text);
        let t = Instant::now();
        let r = e.evaluate(&roots);
        println!("LAB {:?} {text}: {:?}", t.elapsed(), r.map(|v| v.to_string().len()).map_err(|e| e.to_string()));
    }
}
#[test]
fn lab_regex() {
    for pattern in [
        r"^\d{4}-\d{2}-\d{2}$",
        r"^[a-z0-9]+(-[a-z0-9]+)*$",
        r"^[^@]+@[^@]+\.[a-z]{2,}$",
        r"\w+b",
        r"(a|a)*b",
        r"\w{3}b",
        r"(?-u:\w{300})b",
        r"[a-z]{500}1",
        r"(.*a){20}b",
        r"(x+x+)+y",
        r"(\d|[a-z]|x){200}z",
        r"(?:a?){100}(?:a){100}",
        r"^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)$",
        r"\p{L}+",
        r"[x-z]*(x[a-z]){90}q",
        r"([a-z][0-9]?){200}q",
        r"([a-z][0-9]?){700}q",
        r"(a?){800}a{700}b",
        r"([ab]c?){100}q",
        r"([a-z][0-9]?){50}q",
        r"([a-z][0-9]?){20}q",
        r"([a-z]x?a?y?){100}q",
        r"(\w|\d|x|[a-z]){3}q",
        r"(.?){200}Q",
        r"(.?.?.?){60}Q",
        r"(?i)([a-z]?k?){300}Q",
        r"^.{1,253}$",
        r"(\w\d?){3}q",
        r"([a-z][0-9]?x?){400}q",
    ] {
        let t0 = Instant::now();
        let Ok(p) = super::super::pattern::compile(pattern) else {
            println!("LAB {pattern} too big");
            continue;
        };
        let took = t0.elapsed();
        let re = p.regex;
        let mut worst = 0.0f64;
        for hay in [
            "x".repeat(16384),
            "a".repeat(16384),
            "xa1é".repeat(3000),
            "azxayabaq".repeat(1800),
            "é".repeat(8000),
            "ab1c2".repeat(3000),
        ] {
            let t = Instant::now();
            std::hint::black_box(re.is_match(&hay));
            worst = worst.max(t.elapsed().as_nanos() as f64 / hay.len() as f64);
        }
        println!(
            "LAB {pattern} {} steps {worst:.1} ns/byte: {:.1} ns/step, compiled in {took:?}",
            p.steps_a_byte,
            worst / p.steps_a_byte as f64
        );
    }
}
#[test]
fn lab_compile() {
    for pattern in [
        r"^\\d{4}-\\d{2}-\\d{2}$",
        r"\\w+-\\w+",
        r"\\w{60}b",
        r"(\\p{L}|\\w){900}",
        r"((a{100}){100}){100}",
        r"([a-z][0-9]?){700}q",
    ] {
        let text = format!("params.date.matches('{pattern}')");
        let t = Instant::now();
        let r = Expr::parse(&text, Place::Env);
        println!("LAB {pattern} {} {:?}", r.is_ok(), t.elapsed());
    }
}
#[test]
fn lab_cel_blows_up() {
    use cel::{Context, Env};
    let env = std::sync::Arc::new(Env::stdlib());
    for n in [10, 16, 20, 22, 24] {
        let text = format!("['2026-11-22']{}[0].size()", ".map(x, x + x)".repeat(n));
        let p = env.compile(&text).unwrap();
        let t = Instant::now();
        let r = p.execute(&Context::with_env(env.clone()));
        println!("LAB cel {} bytes of text: {:?} {:?}", text.len(), r, t.elapsed());
    }
}
