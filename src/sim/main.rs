//! The command of the simulator: `npm run sim -- --seeds N`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "it says how long real time took"
)]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tablog::planted::PlantedBug;
use tablog::sim::{self, Counts, Plan, Report, Scale, Watch};

#[cfg(feature = "planted")]
/// Seeds within which every planted bug must be found.
const PLANTED_SEEDS_MAX: u64 = 1_000;

const USAGE: &str = "\
usage: npm run sim -- [--seeds N] [--from S]     run N seeds (1000), beginning with S (0)
       npm run sim -- --seed S [--trace]         run one seed
       npm run sim -- --plan P ...               the same, each playing the plan of seed P
       npm run sim -- --scale small|large|huge ...   the same, each at this scale
       npm run sim:planted -- NAME|all           find planted bugs";

struct Options {
    seeds: u64,
    from: u64,
    seed: Option<u64>,
    plan: Option<u64>,
    scale: Option<Scale>,
    trace: bool,
    planted: Option<String>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let ok = match (&options.planted, options.seed) {
        (Some(name), _) => run_planted(name, &options),
        (None, Some(seed)) => run_one(seed, &options),
        (None, None) => run_many(&options),
    };
    match ok {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn parse(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut arguments = arguments.peekable();
    let mut options = Options {
        seeds: 1_000,
        from: 0,
        seed: None,
        plan: None,
        scale: None,
        trace: false,
        planted: None,
    };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        let number = |text: String| {
            let parsed = text.parse::<u64>();
            parsed.map_err(|_| format!("'{text}' is not a number"))
        };
        match argument.as_str() {
            "--seeds" => options.seeds = number(value()?)?,
            "--from" => options.from = number(value()?)?,
            "--seed" => options.seed = Some(number(value()?)?),
            "--plan" => options.plan = Some(number(value()?)?),
            "--scale" => {
                let name = value()?;
                let scale = Scale::ALL.into_iter().find(|scale| scale.name() == name);
                options.scale = Some(scale.ok_or(format!("'{name}' is no scale"))?);
            }
            "--trace" => options.trace = true,
            "--planted" => {
                let name = arguments.next_if(|next| !next.starts_with("--"));
                options.planted = Some(name.unwrap_or("all".to_owned()));
            }
            other => return Err(format!("unknown argument '{other}'")),
        }
    }
    Ok(options)
}

fn run(seed: u64, options: &Options) -> Report {
    let watch = Watch {
        trace: options.trace,
        meter: None,
    };
    match options.plan {
        Some(plan) => sim::run_plan(Plan::of_seed(plan, options.scale), seed, &watch),
        None => sim::run(seed, options.scale, &watch),
    }
}

fn run_one(seed: u64, options: &Options) -> bool {
    let report = run(seed, options);
    for line in &report.trace {
        println!("{line}");
    }
    print_counts(&report.counts);
    let (steps, elapsed_ms) = (report.steps, report.elapsed_ms);
    println!("seed {seed}: {steps} steps in {elapsed_ms} virtual ms");
    print_violation(&report, options)
}

fn print_violation(report: &Report, options: &Options) -> bool {
    match &report.violation {
        Some(violation) => {
            let seed = report.seed;
            let plan = options.plan.map(|plan| format!("--plan {plan} "));
            let plan = plan.unwrap_or_default();
            let scale = options
                .scale
                .map(|scale| format!("--scale {} ", scale.name()));
            let scale = scale.unwrap_or_default();
            println!("seed {seed} FAILED: {violation}");
            println!("  npm run sim -- {scale}{plan}--seed {seed} --trace");
            false
        }
        None => true,
    }
}

fn run_many(options: &Options) -> bool {
    let started = std::time::Instant::now();
    let total = Mutex::new((Counts::default(), Vec::new()));
    let done = for_each_seed(options.from, options.seeds, |seed| {
        let report = run(seed, options);
        let mut total = total.lock().unwrap_or_else(PoisonError::into_inner);
        total.0.add(&report.counts);
        if !print_violation(&report, options) {
            total.1.push(seed);
        }
        true
    });
    let (counts, failed) = total.into_inner().unwrap_or_else(PoisonError::into_inner);
    print_counts(&counts);
    let seconds = started.elapsed().as_secs_f64();
    let rate = done as f64 / seconds;
    println!(
        "{done} seeds in {seconds:.1} s ({rate:.0} seeds/s), {} failed {failed:?}",
        failed.len()
    );
    failed.is_empty()
}

/// Runs seeds on all cores until one says stop; returns how many.
fn for_each_seed(from: u64, seeds: u64, run: impl Fn(u64) -> bool + Sync) -> u64 {
    let next = AtomicU64::new(from);
    let done = AtomicU64::new(0);
    let stopped = AtomicBool::new(false);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !stopped.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    if !run(seed) {
                        stopped.store(true, Ordering::Relaxed);
                    }
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    done.into_inner()
}

#[cfg(feature = "planted")]
fn run_planted(name: &str, options: &Options) -> bool {
    let bugs = PlantedBug::ALL.into_iter();
    let bugs: Vec<_> = bugs
        .filter(|bug| name == "all" || format!("{bug:?}") == name)
        .collect();
    if bugs.is_empty() {
        println!(
            "no planted bug is called '{name}': {:?} or all",
            PlantedBug::ALL
        );
        return false;
    }
    let mut all_found = true;
    for bug in bugs {
        let found = Mutex::new(None::<Report>);
        let seeds = options.seeds.min(PLANTED_SEEDS_MAX);
        for_each_seed(options.from, seeds, |seed| {
            tablog::planted::plant(Some(bug));
            let report = run(seed, options);
            let failed = report.violation.is_some();
            if failed {
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                if found.as_ref().is_none_or(|before| seed < before.seed) {
                    *found = Some(report);
                }
            }
            !failed
        });
        match found.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(Report {
                seed,
                violation: Some(violation),
                ..
            }) => println!("{bug:?}: found by seed {seed}: {violation}"),
            _ => {
                println!("{bug:?}: NOT FOUND within {seeds} seeds");
                all_found = false;
            }
        }
    }
    all_found
}

#[cfg(not(feature = "planted"))]
fn run_planted(_: &str, _: &Options) -> bool {
    let names = PlantedBug::ALL;
    println!("planted bugs ({names:?}) need the feature: npm run sim:planted");
    false
}

fn print_counts(counts: &Counts) {
    println!("plans:");
    for (scale, plans) in &counts.plans {
        println!(
            "  {:<28} {:>10}   up to {} partitions, {} members, {} sends waiting",
            scale.name(),
            plans.runs,
            plans.partitions_max,
            plans.members_max,
            plans.sends_open_max,
        );
    }
    let empty = Default::default();
    for (title, ended, failed) in [
        ("faults", &counts.faults, &empty),
        ("operations", &counts.operations, &counts.failed_operations),
    ] {
        println!("{title}:");
        let names: std::collections::BTreeSet<_> = ended.keys().chain(failed.keys()).collect();
        for name in names {
            let ok = ended.get(name).copied().unwrap_or_default();
            match failed.get(name) {
                Some(failed) => println!("  {name:<28} {ok:>10}   failed {failed}"),
                None => println!("  {name:<28} {ok:>10}"),
            }
        }
    }
}
