//! The `gantline` command: parses the command line, calls the library.

use std::process::ExitCode;
use std::{io, thread};

use clap::Parser;

/// Stack of the thread that evaluates expressions: the parser recurses as deep as expressions may nest.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> ExitCode {
    let cli = gantline::args::Cli::parse();
    // One thread does it all: the operator waits for the API server, and handing each answer from one thread to another would
    // cost more than what is done with it. Not the main thread, since its stack is the system's.
    let whole = thread::Builder::new().stack_size(STACK_BYTES).spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok::<_, io::Error>(runtime.block_on(gantline::app::main(cli)))
    });
    match whole.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(Ok(code)))) => code,
        Ok(Ok(Ok(Err(error)))) => {
            eprintln!("gantline: {error}");
            error.exit_code()
        }
        Ok(Ok(Err(error))) | Err(error) => {
            eprintln!("gantline: no runtime: {error}");
            ExitCode::FAILURE
        }
        // It has told of itself.
        Ok(Err(_panic)) => ExitCode::FAILURE,
    }
}
