//! Comes in: vectors of 3 to 16,000 dimensions, made here. Goes out: the speed of the codec on one core, as
//! `kernel/<conversion>/<instruction set>/<dims>` (one vector's elements, in cache, nothing around the loop) and
//! `batch/<conversion>/<dims>` (a batch of about 1 MiB from what the reader gathered to the bytes for the other server: framing, conversion and
//! digest). Beside them memcpy of as many bytes, and the `half` crate where there is arithmetic. No server, no socket: see scripts/bench.
//!
//! Throughput counts the larger of input and output, where nothing is written the input; a kernel's memcpy moves as many bytes, that of the batches 1 MiB. `cargo bench --bench convert -- 'kernel/f32_to_f16|batch/.*/768'` runs what matches.
use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use codec::batch::Batch;
use codec::buffer::Buffer;
use codec::convert::{Column, Conversion, Converter, Encoding, Form, Kind, Output};
use codec::frame::{self, Splitter};
use codec::kernel::{self, Isa};
use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use half::f16;
use half::slice::HalfFloatSliceExt;

const DIMS: [usize; 7] = [3, 50, 384, 768, 1536, 4096, 16000];
const BATCH_BYTES: usize = 1 << 20;

fn number(i: usize) -> f32 {
    (i as f32 * 0.37).sin()
}

// ---- kernels ----

struct Kernel {
    name: &'static str,
    run: fn(Isa, &[u8], &mut [u8]),
    source: fn(usize) -> Vec<u8>,
    /// Bytes written for this many dimensions.
    written: fn(usize) -> usize,
}

fn f32s(dims: usize) -> Vec<u8> {
    (0..dims).flat_map(|i| number(i).to_be_bytes()).collect()
}

fn f16s(dims: usize) -> Vec<u8> {
    (0..dims)
        .flat_map(|i| f16::from_f32(number(i)).to_be_bytes())
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

fn words(dims: usize) -> usize {
    dims.div_ceil(64) * 8
}

macro_rules! kernels {
    ($($name:ident, $source:ident, $written:expr;)*) => {
        [$(Kernel {
            name: stringify!($name),
            run: |isa, src, dst| { black_box(kernel::$name(isa, src, dst)); },
            source: $source,
            written: $written,
        }),*]
    };
}

fn kernels(criterion: &mut Criterion) {
    let kernels = kernels! {
        f32_to_f32, f32s, |dims| dims * 4;
        f16_to_f16, f16s, |dims| dims * 2;
        f32_to_f16, f32s, |dims| dims * 2;
        f16_to_f32, f16s, |dims| dims * 4;
        f32_to_bits, f32s, words;
        f16_to_bits, f16s, words;
        bits_to_bits, bits, words;
        f32_to_array, f32s, |dims| dims * 8;
        f16_to_array, f16s, |dims| dims * 8;
        bits_to_array, bits, |dims| dims * 8;
        indices, indices, |dims| dims * 4;
        values, f32s, |dims| dims * 4;
    };
    for kernel in kernels {
        let mut group = criterion.benchmark_group(format!("kernel/{}", kernel.name));
        short(&mut group);
        for dims in DIMS {
            let source = (kernel.source)(dims);
            let mut target = vec![0; (kernel.written)(dims)];
            let moved = source.len().max(target.len());
            group.throughput(Throughput::Bytes(moved as u64));
            for isa in Isa::available() {
                group.bench_function(BenchmarkId::new(isa.name(), dims), |b| {
                    b.iter(|| (kernel.run)(isa, black_box(&source), black_box(&mut target)));
                });
            }
            memcpy(&mut group, dims, moved);
            match kernel.name {
                "f32_to_f16" => half_from_f32(&mut group, dims),
                "f16_to_f32" => half_to_f32(&mut group, dims),
                _ => {}
            }
        }
    }
}

fn short(group: &mut BenchmarkGroup<WallTime>) {
    group.warm_up_time(Duration::from_millis(100));
    group.measurement_time(Duration::from_millis(400));
    group.sample_size(20);
}

fn memcpy(group: &mut BenchmarkGroup<WallTime>, dims: usize, len: usize) {
    let (from, mut to) = (vec![1u8; len], vec![0u8; len]);
    group.bench_function(BenchmarkId::new("memcpy", dims), |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    });
}

/// The peer does less: it swaps no bytes and checks nothing.
fn half_from_f32(group: &mut BenchmarkGroup<WallTime>, dims: usize) {
    let from: Vec<f32> = (0..dims).map(number).collect();
    let mut to = vec![f16::ZERO; dims];
    group.bench_function(BenchmarkId::new("half", dims), |b| {
        b.iter(|| black_box(&mut to).convert_from_f32_slice(black_box(&from)));
    });
}

fn half_to_f32(group: &mut BenchmarkGroup<WallTime>, dims: usize) {
    let from: Vec<f16> = (0..dims).map(|i| f16::from_f32(number(i))).collect();
    let mut to = vec![0f32; dims];
    group.bench_function(BenchmarkId::new("half", dims), |b| {
        b.iter(|| black_box(&from).convert_to_f32_slice(black_box(&mut to)));
    });
}

// ---- batches ----

/// What a source column holds, and what it becomes; nothing where its fields pass as they are.
struct Case {
    name: &'static str,
    payload: fn(usize) -> Vec<u8>,
    from: Kind,
    to: Option<(Kind, Encoding)>,
}

fn vector(dims: usize) -> Vec<u8> {
    let header = [(dims as u16).to_be_bytes(), [0; 2]].concat();
    [header, f32s(dims)].concat()
}

fn halfvec(dims: usize) -> Vec<u8> {
    let header = [(dims as u16).to_be_bytes(), [0; 2]].concat();
    [header, f16s(dims)].concat()
}

fn bit(dims: usize) -> Vec<u8> {
    let mut bytes = bits(dims);
    // Bits after the last dimension are zero.
    if let (Some(last), 1..) = (bytes.last_mut(), dims % 8) {
        *last &= 0xff << (8 - dims % 8);
    }
    [(dims as u32).to_be_bytes().to_vec(), bytes].concat()
}

/// Every third of three times as many dimensions is not zero.
fn sparsevec(entries: usize) -> Vec<u8> {
    let values = (0..entries).flat_map(|i| (number(i) + 2.0).to_be_bytes());
    let header = [entries as u32 * 3, entries as u32, 0].map(u32::to_be_bytes);
    [header.concat(), indices(entries), values.collect()].concat()
}

/// Rows of `id bigint, embedding` as a server sends them, gathered as the reader gathers them, and how many.
fn stream(payload: &[u8]) -> (Bytes, usize) {
    let row_len = 2 + 4 + 8 + 4 + payload.len();
    let rows = (BATCH_BYTES / row_len).max(1);
    let mut gathered = BytesMut::new();
    frame::put_header(&mut gathered);
    for row in 0..rows {
        gathered.put_i16(2);
        gathered.put_i32(8);
        gathered.put_i64(row as i64);
        gathered.put_i32(payload.len() as i32);
        gathered.put_slice(payload);
    }
    (gathered.freeze(), rows)
}

/// What the reader and the converter do with a batch.
fn convert(converter: &Converter, stream: &Bytes, buffer: &mut Buffer) -> u64 {
    let (mut splitter, mut batch, mut rows) = (Splitter::new(2), Batch::default(), Vec::new());
    let taken = splitter.push(stream.clone(), &mut rows);
    taken.expect("the rows are sound");
    rows.drain(..).for_each(|rows| batch.push(rows));
    buffer.clear();
    let mut out = Output::after(std::mem::take(buffer));
    let done = converter.convert_part(&mut batch, &mut out, usize::MAX);
    *buffer = out.into_parts().0;
    done.expect("the values are sound").rows
}

fn batches(criterion: &mut Criterion) {
    let case = |name, payload, from, to| Case {
        name,
        payload,
        from,
        to,
    };
    use Encoding::{Pgvectors, RealArray};
    let cases = [
        case("pass", vector, Kind::F32, None),
        case(
            "vector_to_vector",
            vector,
            Kind::F32,
            Some((Kind::F32, Pgvectors)),
        ),
        case(
            "vector_to_vecf16",
            vector,
            Kind::F32,
            Some((Kind::F16, Pgvectors)),
        ),
        case(
            "vector_to_bvector",
            vector,
            Kind::F32,
            Some((Kind::Bits, Pgvectors)),
        ),
        case(
            "vector_to_array",
            vector,
            Kind::F32,
            Some((Kind::F32, RealArray)),
        ),
        case(
            "halfvec_to_vecf16",
            halfvec,
            Kind::F16,
            Some((Kind::F16, Pgvectors)),
        ),
        case(
            "halfvec_to_vector",
            halfvec,
            Kind::F16,
            Some((Kind::F32, Pgvectors)),
        ),
        case(
            "bit_to_bvector",
            bit,
            Kind::Bits,
            Some((Kind::Bits, Pgvectors)),
        ),
        case(
            "sparsevec_to_svector",
            sparsevec,
            Kind::Sparse,
            Some((Kind::Sparse, Pgvectors)),
        ),
    ];
    for case in cases {
        let mut group = criterion.benchmark_group(format!("batch/{}", case.name));
        short(&mut group);
        let from = Form {
            kind: case.from,
            encoding: Encoding::Pgvector,
        };
        let column = case.to.map_or(Column::Pass, |(kind, encoding)| {
            let pair = Conversion::between(from, Form { kind, encoding });
            Column::Convert(pair.expect("the codec has it"))
        });
        let converter = Converter::new(vec![Column::Pass, column]);
        for dims in [&[8], &DIMS[..]].concat() {
            let (stream, rows) = stream(&(case.payload)(dims));
            let mut out = Buffer::default();
            convert(&converter, &stream, &mut out);
            group.throughput(Throughput::ElementsAndBytes {
                elements: rows as u64,
                bytes: stream.len().max(out.len()) as u64,
            });
            group.bench_function(BenchmarkId::from_parameter(dims), |b| {
                b.iter(|| {
                    let converted = convert(&converter, black_box(&stream), black_box(&mut out));
                    assert_eq!(converted, rows as u64);
                });
            });
        }
    }
    let mut group = criterion.benchmark_group("batch");
    short(&mut group);
    group.throughput(Throughput::Bytes(BATCH_BYTES as u64));
    let (from, mut to) = (vec![1u8; BATCH_BYTES], vec![0u8; BATCH_BYTES]);
    group.bench_function("memcpy", |b| {
        b.iter(|| black_box(&mut to).copy_from_slice(black_box(&from)));
    });
}

criterion_group!(benches, kernels, batches);
criterion_main!(benches);
