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
    ] {
        for size in [16usize, 32, 64, 128, 256] {
            let built = regex::RegexBuilder::new(pattern).size_limit(size * 1024).dfa_size_limit(256 * 1024).build();
            let Ok(re) = built else {
                println!("LAB {pattern} too big for {size} KiB");
                continue;
            };
            let mut worst = 0.0f64;
            for hay in
                ["x".repeat(16384), "a".repeat(16384), "xa1é".repeat(3000), "azxayabaq".repeat(1800), "é".repeat(8000)]
            {
                let t = Instant::now();
                std::hint::black_box(re.is_match(&hay));
                worst = worst.max(t.elapsed().as_nanos() as f64 / hay.len() as f64);
            }
            println!("LAB {pattern} fits {size} KiB: {worst:.1} ns/byte");
            break;
        }
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
