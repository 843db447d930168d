//! Helper tasks of the project: demo, test, bench.

fn main() {}
