//! Comes in: batches of about 1 MiB as a COPY stream brings them. Goes out: the speed of splitter and converter together
//! (framing, conversion, digest) on one core, as `rows/<table>`. Throughput counts source bytes; the rows of a batch are named.
//!
//! CPU time a row on an EPYC 7003 in November 2026, a message a row, thin LTO: vector(8) 86 ns, of which framing about 25;
//! vector(768) 542 ns (5.7 GB/s), to vecf16 311 ns, to real[] 803 ns; vector(1536) 773 ns (8 GB/s).
use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pgv2rs_codec::batch::Batch;
use pgv2rs_codec::convert::{Column, Conversion, Converter, Encoding, Form, Kind};
use pgv2rs_codec::frame::{self, Splitter};

const BATCH_BYTES: usize = 1 << 20;

/// `id bigint, embedding vector(dims)`, a message a row as a server sends them, or many rows a message.
fn messages(dims: usize, rows_a_message: usize) -> (Vec<Bytes>, usize) {
    let row_len = 2 + 4 + 8 + 4 + 4 + dims * 4;
    let rows = BATCH_BYTES / row_len;
    let mut messages = Vec::new();
    let mut message = BytesMut::new();
    frame::put_header(&mut message);
    for row in 0..rows {
        message.put_i16(2);
        message.put_i32(8);
        message.put_i64(row as i64);
        message.put_i32(4 + dims as i32 * 4);
        message.put_u32((dims as u32) << 16);
        (0..dims).for_each(|i| message.put_f32(((i + row) as f32 * 0.37).sin()));
        if (row + 1) % rows_a_message == 0 || row + 1 == rows {
            messages.push(message.split().freeze());
        }
    }
    (messages, rows)
}

fn run(converter: &Converter, messages: &[Bytes], out: &mut Vec<u8>) -> u64 {
    let mut splitter = Splitter::new(2);
    let mut batch = Batch::default();
    let mut rows = Vec::new();
    for message in messages {
        splitter
            .push(message.clone(), &mut rows)
            .expect("sound rows");
        rows.drain(..).for_each(|rows| batch.push(rows));
    }
    out.clear();
    converter.convert(&batch, out).expect("sound values").rows
}

fn bench(c: &mut Criterion) {
    let vector = Form {
        kind: Kind::F32,
        encoding: Encoding::Pgvector,
    };
    let targets = [
        ("pass", None),
        (
            "vector",
            Some(Form {
                kind: Kind::F32,
                encoding: Encoding::Pgvectors,
            }),
        ),
        (
            "vecf16",
            Some(Form {
                kind: Kind::F16,
                encoding: Encoding::Pgvectors,
            }),
        ),
        (
            "bvector",
            Some(Form {
                kind: Kind::Bits,
                encoding: Encoding::Pgvectors,
            }),
        ),
        (
            "real[]",
            Some(Form {
                kind: Kind::F32,
                encoding: Encoding::RealArray,
            }),
        ),
    ];
    for (dims, rows_a_message) in [(8, 1), (8, 1000), (768, 1), (1536, 1)] {
        let (messages, rows) = messages(dims, rows_a_message);
        let bytes: usize = messages.iter().map(Bytes::len).sum();
        let mut group = c.benchmark_group(format!("rows/vector({dims})"));
        group.warm_up_time(Duration::from_millis(200));
        group.measurement_time(Duration::from_secs(1));
        group.throughput(Throughput::Bytes(bytes as u64));
        for (name, target) in targets {
            let column = target.map_or(Column::Pass, |to| {
                Column::Convert(Conversion::between(vector, to).expect("in the table"))
            });
            let converter = Converter::new(vec![Column::Pass, column]);
            let mut out = Vec::new();
            let name = format!("{name}, {rows} rows, {} messages", messages.len());
            group.bench_function(name, |b| {
                b.iter(|| black_box(run(&converter, black_box(&messages), &mut out)));
            });
        }
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
