//! The `gantline` command: parses the command line, calls the library.

use clap::Parser;

/// Stack of the threads that evaluate expressions: the parser recurses as deep as expressions may nest.
const STACK_BYTES: usize = 16 * 1024 * 1024;

fn main() -> std::process::ExitCode {
    let cli = gantline::args::Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    let result = match runtime {
        // On a worker thread, since the main thread's stack is the system's.
        Ok(runtime) => runtime.block_on(async { tokio::spawn(gantline::app::main(cli)).await }),
        Err(error) => {
            eprintln!("gantline: no runtime: {error}");
            return std::process::ExitCode::FAILURE;
        }
    };
    match result {
        Ok(Ok(code)) => code,
        Ok(Err(error)) => {
            eprintln!("gantline: {error}");
            error.exit_code()
        }
        Err(panic) => {
            eprintln!("gantline: {panic}");
            std::process::ExitCode::FAILURE
        }
    }
}
