//! Comes in: COPY streams, sound and broken, cut at every place. Goes out: whether the splitter finds the same rows
//! wherever they are cut, and names the row, the column and the byte at which a stream is broken.
mod support;

use bytes::{Bytes, BytesMut};
use pgv2rs_codec::error::{Cause, Error};
use pgv2rs_codec::frame::{Rows, Splitter, put_header, put_trailer};
use support::{HEADER, Row, TRAILER, row, stream};

/// Pushes a stream in pieces that end at these places, and joins what comes out.
fn split_at(stream: &[u8], cuts: &[usize], columns: u16) -> (Vec<Rows>, Result<u64, Error>) {
    let mut splitter = Splitter::new(columns);
    let (mut rows, mut start) = (Vec::new(), 0);
    for end in cuts.iter().copied().chain([stream.len()]) {
        let piece = Bytes::copy_from_slice(&stream[start..end]);
        if let Err(error) = splitter.push(piece, &mut rows) {
            assert_eq!(splitter.finish(), Err(error), "an error stays");
            return (rows, Err(error));
        }
        start = end;
    }
    (rows, splitter.finish())
}

fn refused(stream: &[u8], columns: u16) -> Error {
    let (_, whole) = split_at(stream, &[], columns);
    let bytes: Vec<usize> = (1..stream.len()).collect();
    let (_, in_bytes) = split_at(stream, &bytes, columns);
    assert_eq!(whole, in_bytes, "the same error however the stream is cut");
    whole.expect_err("a broken stream")
}

fn error(row: u64, column: Option<u16>, offset: u64, cause: Cause) -> Error {
    Error {
        row,
        column,
        offset,
        cause,
    }
}

/// Rows with an empty field, NULLs, a field that looks like a trailer and one that is longer than the others.
fn sample() -> Vec<Row> {
    vec![
        vec![Some(vec![7; 8]), Some(vec![])],
        vec![None, None],
        vec![Some(vec![0xff; 2]), Some((0..50).collect())],
        vec![Some(vec![1]), None],
    ]
}

#[test]
fn finds_the_same_rows_wherever_the_stream_is_cut_twice() {
    let stream = stream(&sample());
    let rows = &stream[HEADER.len()..stream.len() - TRAILER.len()];
    for first in 0..=stream.len() {
        for second in first..=stream.len() {
            let (pieces, finished) = split_at(&stream, &[first, second], 2);
            assert_eq!(finished, Ok(4), "{first} {second}");
            assert_eq!(
                pieces
                    .iter()
                    .flat_map(|piece| piece.bytes.to_vec())
                    .collect::<Vec<_>>(),
                rows
            );
            let (mut next_row, mut offset) = (1, HEADER.len() as u64);
            for piece in pieces {
                assert_eq!(
                    (piece.first_row, piece.offset),
                    (next_row, offset),
                    "{first} {second}"
                );
                next_row += u64::from(piece.rows);
                offset += piece.bytes.len() as u64;
            }
            assert_eq!(next_row, 5);
        }
    }
}

#[test]
fn passes_whole_rows_on_without_a_copy() {
    let message = Bytes::from(
        sample()
            .iter()
            .flat_map(|fields| row(fields))
            .collect::<Vec<_>>(),
    );
    let (mut splitter, mut rows) = (Splitter::new(2), Vec::new());
    splitter
        .push(Bytes::from_static(HEADER), &mut rows)
        .expect("a header");
    splitter
        .push(message.clone(), &mut rows)
        .expect("whole rows");
    let [piece] = &rows[..] else {
        panic!("one message is one piece, not {}", rows.len())
    };
    assert_eq!(piece.rows, 4);
    assert_eq!(piece.bytes.as_ptr(), message.as_ptr());
    assert_eq!(piece.bytes, message);
}

#[test]
fn joins_only_the_row_that_is_split() {
    let message = Bytes::from(
        sample()
            .iter()
            .flat_map(|fields| row(fields))
            .collect::<Vec<_>>(),
    );
    let (mut splitter, mut rows) = (Splitter::new(2), Vec::new());
    splitter
        .push(Bytes::from_static(HEADER), &mut rows)
        .expect("a header");
    splitter
        .push(message.slice(..40), &mut rows)
        .expect("two rows and a part");
    splitter
        .push(message.slice(40..), &mut rows)
        .expect("the rest");
    assert_eq!(
        rows.iter().map(|piece| piece.rows).collect::<Vec<_>>(),
        [2, 1, 1]
    );
    assert_eq!(rows[0].bytes.as_ptr(), message.as_ptr());
    assert!(message.ends_with(&rows[2].bytes));
    assert_eq!(rows[2].bytes.as_ptr_range().end, message.as_ptr_range().end);
}

#[test]
fn reads_a_table_without_columns_and_one_without_rows() {
    assert_eq!(split_at(&stream(&vec![vec![]; 3]), &[], 0).1, Ok(3));
    let (rows, finished) = split_at(&stream(&[]), &[], 3);
    assert!(rows.is_empty());
    assert_eq!(finished, Ok(0));
}

#[test]
fn skips_a_header_extension_and_uncritical_flags() {
    let mut extended = HEADER.to_vec();
    extended[13..15].copy_from_slice(&[0xff, 0xff]);
    extended[18] = 5;
    extended.extend([0xff; 5]);
    extended.extend(&stream(&sample())[HEADER.len()..]);
    for cut in 0..extended.len() {
        let (rows, finished) = split_at(&extended, &[cut], 2);
        assert_eq!(finished, Ok(4));
        assert_eq!(rows[0].offset, HEADER.len() as u64 + 5);
    }
}

#[test]
fn writes_the_header_and_trailer_that_it_reads() {
    let mut written = BytesMut::new();
    put_header(&mut written);
    put_trailer(&mut written);
    assert_eq!(written, stream(&[])[..]);
}

#[test]
fn refuses_what_is_not_a_binary_copy_stream() {
    assert_eq!(
        refused(b"1\t[1,2,3]\n", 2),
        error(0, None, 0, Cause::Signature)
    );
    // A stream that an FTP client took for text.
    assert_eq!(
        refused(b"PGCOPY\n\xff\n\0\0\0\0\0\0\0\0\0\0", 2),
        error(0, None, 0, Cause::Signature)
    );
}

#[test]
fn refuses_critical_flags_and_oids() {
    for (byte, flags) in [(12, 0x0001_0000), (11, 0x8000_0000)] {
        let mut stream = stream(&sample());
        stream[byte] = (flags >> 16 >> ((12 - byte) * 8)) as u8;
        assert_eq!(
            refused(&stream, 2),
            error(0, None, 11, Cause::Flags { flags })
        );
    }
}

#[test]
fn refuses_a_negative_header_extension() {
    let mut stream = stream(&[]);
    stream[15..19].copy_from_slice(&(-2i32).to_be_bytes());
    assert_eq!(
        refused(&stream, 2),
        error(0, None, 15, Cause::Extension { length: -2 })
    );
}

#[test]
fn refuses_another_number_of_fields() {
    for found in [1, 3, -2, 0] {
        let mut stream = stream(&sample());
        stream.truncate(HEADER.len() + 18);
        stream.extend(i16::to_be_bytes(found));
        stream.extend([0; 40]);
        let cause = Cause::FieldCount { found, expected: 2 };
        assert_eq!(refused(&stream, 2), error(2, None, 37, cause));
    }
}

#[test]
fn refuses_negative_and_oversized_field_lengths() {
    for length in [-2, i32::MIN, 0x4000_0000, i32::MAX] {
        let mut stream = stream(&sample());
        // The second field of the first row: header 19, count 2, length 4, eight bytes.
        stream[33..37].copy_from_slice(&length.to_be_bytes());
        assert_eq!(
            refused(&stream, 2),
            error(1, Some(1), 33, Cause::FieldLength { length })
        );
    }
}

#[test]
fn refuses_a_stream_that_ends_before_its_trailer() {
    let stream = stream(&sample());
    for len in 0..stream.len() {
        let (rows, finished) = split_at(&stream[..len], &[], 2);
        let seen: u64 = rows.iter().map(|piece| u64::from(piece.rows)).sum();
        let row = if len < HEADER.len() { 0 } else { seen + 1 };
        assert_eq!(
            finished,
            Err(error(row, None, len as u64, Cause::Truncated)),
            "{len}"
        );
    }
}

#[test]
fn refuses_bytes_after_the_trailer() {
    let mut stream = stream(&sample());
    let end = stream.len() as u64;
    stream.push(0);
    assert_eq!(
        refused(&stream, 2),
        error(5, None, end, Cause::AfterTrailer)
    );
}

#[test]
fn hands_out_the_rows_before_a_broken_one() {
    let mut stream = stream(&sample());
    stream.truncate(HEADER.len() + 18);
    stream.extend([0x12, 0x34]);
    let (rows, finished) = split_at(&stream, &[HEADER.len() + 18], 2);
    assert_eq!(rows.iter().map(|piece| piece.rows).collect::<Vec<_>>(), [1]);
    assert!(finished.is_err());
}

#[test]
fn an_error_reads_as_a_place_and_a_cause() {
    let shown = error(17, Some(3), 5512, Cause::FieldLength { length: -2 }).to_string();
    assert_eq!(
        shown,
        "row 17, column 3, byte 5512: the field declares -2 bytes"
    );
    let shown = error(0, None, 11, Cause::Flags { flags: 0x1_0000 }).to_string();
    assert_eq!(
        shown,
        "header, byte 11: the stream carries OIDs (flags 0x00010000), which is not supported"
    );
}
