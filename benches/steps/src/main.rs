//! The simulator with an oracle of steps: `npm run sim:steps -- [--scale S] [--seeds N] [--from S]
//! [--planted NAME]`.

mod steps;

use std::process::ExitCode;
use steps::steps;
use tablog::planted::{self, PlantedBug};
use tablog::sim::{self, Scale, Watch, WorkCounts};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).map(String::as_str)
    };
    let number = |name, default| value(name).map_or(Ok(default), str::parse::<u64>);
    let (Ok(seeds), Ok(from)) = (number("--seeds", 100), number("--from", 0)) else {
        eprintln!("--seeds and --from take numbers");
        return ExitCode::from(2);
    };
    let scale = Scale::ALL
        .into_iter()
        .find(|it| Some(it.name()) == value("--scale"));
    let bug = PlantedBug::ALL
        .into_iter()
        .find(|it| Some(&*format!("{it:?}")) == value("--planted"));
    planted::plant(bug);
    let watch = Watch {
        trace: false,
        meter: Some(steps),
    };
    let mut total = sim::Counts::default();
    let mut failed = Vec::new();
    for seed in from..from + seeds {
        let report = sim::run(seed, scale, &watch);
        total.add(&report.counts);
        if let Some(violation) = report.violation {
            println!("seed {seed} FAILED: {violation}");
            failed.push(seed);
        }
    }
    print_work(&total);
    println!("{seeds} seeds, {} failed {failed:?}", failed.len());
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn print_work(counts: &sim::Counts) {
    println!("event                            number  steps each  at most  steps a byte");
    for (kind, work) in &counts.work {
        let WorkCounts {
            events,
            bytes,
            steps,
            steps_max,
            ..
        } = work;
        let each = steps / events.max(&1);
        let per_byte = *steps as f64 / (*bytes).max(1) as f64;
        println!("{kind:<28} {events:>10} {each:>11} {steps_max:>8} {per_byte:>13.1}");
    }
}
