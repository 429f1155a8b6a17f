//! How fast Gantline is, beside what the same API server can do at all. `tests/bench/run` makes a cluster of fake nodes and calls
//! this; it says what the loads are.

mod api;
mod audit;
mod bare;
mod figures;
mod load;
mod process;
mod round;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use api::{Api, Result};
use figures::Figures;
use load::{Load, Shape};
use round::Ground;

/// All loads. Bare pods come again and again, since the machine isn't the same for an hour.
const ALL: &str = "bare-1000 fan-out-500 fan-out-2000 bare-1000 items-100 items-2000 items-10000 bare-1000 chain-50 diamonds-200 \
    bare-1000 layers-5000 bare-1000 items-20000 bare-1000 restart-2000 live-10000";
/// What says most in three minutes.
const QUICK: &str = "bare-400 fan-out-500 bare-400 items-100 items-500 bare-400 chain-50 diamonds-20 restart-400";

/// What the command line asks for.
struct Options {
    loads: Vec<Load>,
    json: Option<PathBuf>,
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options> {
    let (mut loads, mut json) = (ALL.to_owned(), None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} takes a value"));
        match argument.as_str() {
            "--quick" => QUICK.clone_into(&mut loads),
            "--loads" => loads = value()?,
            "--json" => json = Some(PathBuf::from(value()?)),
            // What cargo adds.
            "--bench" => {}
            _ => return Err(format!("unknown option {argument}: there are --quick, --loads WORDS and --json FILE")),
        }
    }
    let loads = loads.split_whitespace().map(str::parse).collect::<Result<_>>()?;
    Ok(Options { loads, json })
}

#[tokio::main]
async fn main() -> ExitCode {
    match bench().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("bench: {problem}");
            ExitCode::from(2)
        }
    }
}

/// Plays all loads; false if any of the work wasn't done.
async fn bench() -> Result<bool> {
    let options = options(std::env::args().skip(1))?;
    let state = std::env::var("GANTLINE_CLUSTER_DIR").map_err(|_| "call tests/bench/run".to_owned())?;
    let mut ground = Ground { api: Api::connect().await?, state: state.into(), manifest: None, rounds: 0 };
    let mut all = Vec::new();
    println!("{}", table::head());
    for load in options.loads {
        let figures = ground.play(load).await?;
        println!("{}", table::line(&figures));
        all.push(figures);
    }
    compare(&mut all);
    println!("\nBeside the bare pods before and after:\n{}", table::head());
    for figures in &all {
        println!("{}", table::line(figures));
    }
    println!("\n{}", table::bars(&all));
    if let Some(path) = options.json {
        let text = serde_json::to_string_pretty(&json!({ "rounds": all })).map_err(|error| error.to_string())?;
        std::fs::write(&path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(all.iter().all(|figures| figures.problem.is_none()))
}

/// Sets each round's rate beside that of bare pods: the mean of the last round of those before it and of the next one after it.
fn compare(all: &mut [Figures]) {
    let is_bare = |figures: &Figures| figures.load.parse::<Load>().is_ok_and(|load| load.shape == Shape::Bare);
    let bare = |figures: &Figures| (is_bare(figures) && figures.problem.is_none()).then_some(figures.tasks_per_second);
    let rates: Vec<Option<f64>> = all.iter().map(bare).collect();
    for (index, figures) in all.iter_mut().enumerate().filter(|(_, figures)| !is_bare(figures)) {
        let before = rates.iter().take(index).rev().flatten().next();
        let after = rates.iter().skip(index).flatten().next();
        let beside: Vec<f64> = before.into_iter().chain(after).copied().collect();
        let count = if beside.len() == 2 { 2.0 } else { 1.0 };
        let mean = beside.iter().sum::<f64>() / count;
        figures.ratio = (mean > 0.0).then(|| figures.tasks_per_second / mean);
    }
}
