//! Comes in: elements of one vector, in cache. Goes out: the speed of each kernel under each instruction set of this machine, as
//! `kernel/<conversion>/<instruction set>/<dims>`. Throughput counts source bytes. Nothing around a kernel is measured here.
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use pgv2rs_codec::kernel::{self, Isa};

const DIMS: [usize; 3] = [8, 768, 1536];

/// A kernel, the bytes that it reads and writes for this many dimensions, and its elements.
struct Kernel {
    name: &'static str,
    run: fn(Isa, &[u8], &mut [u8]),
    sizes: fn(usize) -> (usize, usize),
    source: fn(usize) -> Vec<u8>,
}

fn f32s(dims: usize) -> Vec<u8> {
    (0..dims)
        .flat_map(|i| ((i as f32 * 0.37).sin()).to_be_bytes())
        .collect()
}

fn f16s(dims: usize) -> Vec<u8> {
    (0..dims)
        .flat_map(|i| half::f16::from_f32((i as f32 * 0.37).sin()).to_be_bytes())
        .collect()
}

fn bits(dims: usize) -> Vec<u8> {
    (0..dims.div_ceil(8)).map(|i| (i * 151) as u8).collect()
}

fn indices(dims: usize) -> Vec<u8> {
    (0..dims as u32)
        .flat_map(|i| (i * 3).to_be_bytes())
        .collect()
}

macro_rules! kernels {
    ($($name:ident, $source:ident, $src:expr, $dst:expr;)*) => {
        [$(Kernel {
            name: stringify!($name),
            run: |isa, src, dst| { black_box(kernel::$name(isa, src, dst)); },
            sizes: |dims| ($src(dims), $dst(dims)),
            source: $source,
        }),*]
    };
}

fn bench(c: &mut Criterion) {
    let kernels = kernels! {
        f32_to_f32, f32s, |d| d * 4, |d| d * 4;
        f16_to_f16, f16s, |d| d * 2, |d| d * 2;
        f32_to_f16, f32s, |d| d * 4, |d| d * 2;
        f16_to_f32, f16s, |d| d * 2, |d| d * 4;
        f32_to_bits, f32s, |d| d * 4, |d: usize| d.div_ceil(64) * 8;
        f16_to_bits, f16s, |d| d * 2, |d: usize| d.div_ceil(64) * 8;
        bits_to_bits, bits, |d: usize| d.div_ceil(8), |d: usize| d.div_ceil(64) * 8;
        f32_to_array, f32s, |d| d * 4, |d| d * 8;
        f16_to_array, f16s, |d| d * 2, |d| d * 8;
        bits_to_array, bits, |d: usize| d.div_ceil(8), |d| d * 8;
        indices, indices, |d| d * 4, |d| d * 4;
        values, f32s, |d| d * 4, |d| d * 4;
    };
    for kernel in kernels {
        let mut group = c.benchmark_group(format!("kernel/{}", kernel.name));
        group.warm_up_time(Duration::from_millis(100));
        group.measurement_time(Duration::from_millis(300));
        for isa in Isa::available() {
            for dims in DIMS {
                let (src, dst) = (kernel.sizes)(dims);
                let (source, mut target) = ((kernel.source)(dims), vec![0; dst]);
                assert_eq!(source.len(), src);
                group.throughput(Throughput::Bytes(src as u64));
                group.bench_function(BenchmarkId::new(isa.name(), dims), |b| {
                    b.iter(|| (kernel.run)(isa, black_box(&source), black_box(&mut target)));
                });
            }
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
