//! How fast a page of about 1 MB is read: samples per second, with and without looking at the labels.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use tidewatch_exposition::{Entry, Format, MetricKind, Parser, TextWriter};

fn page() -> (String, u64) {
    let mut page = String::new();
    let mut writer = TextWriter::new(&mut page);
    let (mut samples, mut seed) = (0, 1u64);
    for family in 0..40 {
        let name = format!("http_request_duration_seconds_{family}");
        let bucket = format!("{name}_bucket");
        writer.family(&name, MetricKind::Histogram, "Time it took to answer a request.");
        for endpoint in 0..28 {
            let endpoint = format!("/api/tasks/{{id}}/{endpoint}");
            for le in ["0.005", "0.01", "0.05", "0.1", "0.5", "1", "5", "10", "+Inf"] {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let labels = [("method", "GET"), ("endpoint", endpoint.as_str()), ("le", le)];
                let value =
                    if seed & (1 << 40) == 0 { (seed >> 44) as f64 } else { (seed >> 33) as f64 / 1e7 };
                writer.sample(&bucket, &labels, value);
                samples += 1;
            }
        }
    }
    (page, samples)
}

fn bench(criterion: &mut Criterion) {
    let (page, samples) = page();
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(samples));
    for labels in [false, true] {
        let name = format!("{} KiB, labels {labels}", page.len() / 1024);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut parser = Parser::new(page.as_bytes(), Format::Text);
                let mut sum = 0.0;
                while let Some(entry) = parser.next().expect("the page is well-formed") {
                    if let Entry::Series(sample) = entry {
                        sum += sample.value;
                        if labels {
                            black_box(parser.labels().count());
                        }
                    }
                }
                black_box(sum)
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
