//! In: what a server sends, message by message. Out: the same, but for CopyData: a run of short ones becomes one message, and a long one
//! several. COPY OUT is one message a row, and tokio-postgres spends more on a message than a short row costs in all; of a long one it
//! makes room for the whole, and keeps the room for as long as the session lives. The protocol lets a receiver draw no meaning from
//! where a COPY's messages end. Written bytes pass.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Room at first, which answers to questions seldom fill.
const FIRST_BUFFER: usize = 8 << 10;
/// Read from the socket at once, as soon as as much as there was room for has come.
const BUFFER: usize = 64 << 10;
/// A CopyData that is given out is no longer: tokio-postgres's own buffer begins with 8 KiB and is doubled, and copied, until a message fits.
pub const LONGEST: usize = 32 << 10;
/// A length is a signed number.
const LONGEST_OF_ALL: usize = i32::MAX as usize + 1;
/// Type and length, which counts itself.
const HEADER: usize = 5;
const COPY_DATA: u8 = b'd';

/// What comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    Message,
    /// One byte: whether the server speaks TLS. If it does, what follows is no message.
    Answer,
    /// TLS, from the first byte on.
    Tls,
}

pub struct Gathered<S> {
    inner: S,
    buffer: Vec<u8>,
    /// What is read and not given out yet.
    start: usize,
    end: usize,
    /// Given out as it is before another message is looked for.
    pass: usize,
    /// Payload of a long CopyData for which no message has been begun yet.
    long: usize,
    /// The header of a CopyData of our own, as far as it is not given out yet.
    header: ([u8; HEADER], usize),
    /// CopyData from `start` up to here is a run.
    run_end: usize,
    /// Left of the message of the run that is being given out.
    left: usize,
    first: First,
}

impl<S> Gathered<S> {
    pub fn new(inner: S, first: First) -> Gathered<S> {
        Gathered {
            inner,
            buffer: vec![0; FIRST_BUFFER],
            start: 0,
            end: 0,
            pass: 0,
            long: 0,
            header: ([0; HEADER], HEADER),
            run_end: 0,
            left: 0,
            first,
        }
    }

    /// Its bytes with the header, where that is all there.
    fn message(&self, at: usize) -> Option<(u8, usize)> {
        let header = self.buffer[at..self.end].first_chunk::<HEADER>()?;
        let [kind, a, b, c, d] = *header;
        // What is no length is for the reader to refuse.
        let length = u32::from_be_bytes([a, b, c, d]).max(4) as usize;
        Some((kind, length + 1))
    }

    /// Decides what is given out next; false: there is nothing yet.
    fn next(&mut self) -> bool {
        if self.start == self.end {
            return false;
        }
        match self.first {
            First::Message => {}
            First::Answer => {
                let tls = self.buffer[self.start] != b'N';
                self.first = if tls { First::Tls } else { First::Message };
                self.pass = 1;
                return true;
            }
            First::Tls => {
                self.pass = self.end - self.start;
                return true;
            }
        }
        if self.long > 0 {
            self.pass = self.long.min(LONGEST - HEADER);
            self.long -= self.pass;
            self.begin(self.pass);
            return true;
        }
        let Some((kind, length)) = self.message(self.start) else {
            return false;
        };
        let whole = |at: usize, length: usize| at + length <= self.end;
        // One with nothing in it would give nothing, which is an end; one longer than any message is for the reader to refuse.
        if kind != COPY_DATA || length == HEADER || length > LONGEST_OF_ALL {
            self.pass = length;
            return true;
        }
        if length > LONGEST {
            self.start += HEADER;
            self.long = length - HEADER;
            return self.next();
        }
        // A row's first half would make a message of its own of the row.
        if !whole(self.start, length) {
            return false;
        }
        let (mut at, mut payload) = (self.start, 0);
        while let Some((COPY_DATA, length)) = self.message(at)
            && length > HEADER
            && whole(at, length)
            && payload + length <= LONGEST
        {
            at += length;
            payload += length - HEADER;
        }
        self.begin(payload);
        (self.run_end, self.left) = (at, 0);
        true
    }

    fn begin(&mut self, payload: usize) {
        let length = u32::try_from(payload + 4).unwrap_or(u32::MAX);
        let [a, b, c, d] = length.to_be_bytes();
        self.header = ([COPY_DATA, a, b, c, d], 0);
    }

    fn give(&mut self, to: &mut ReadBuf<'_>) {
        let (header, given) = &mut self.header;
        let number = to.remaining().min(HEADER - *given);
        to.put_slice(&header[*given..*given + number]);
        *given += number;
        if self.pass > 0 {
            let number = self.pass.min(self.end - self.start).min(to.remaining());
            to.put_slice(&self.buffer[self.start..self.start + number]);
            self.pass -= number;
            self.start += number;
            return;
        }
        while to.remaining() > 0 && self.start < self.run_end {
            if self.left == 0 {
                let length = self
                    .message(self.start)
                    .map_or(HEADER, |(_, length)| length);
                self.start += HEADER;
                self.left = length - HEADER;
            }
            let number = self.left.min(to.remaining());
            to.put_slice(&self.buffer[self.start..self.start + number]);
            self.left -= number;
            self.start += number;
        }
    }

    fn gives(&self) -> bool {
        let begun = self.header.1 < HEADER || self.start < self.run_end;
        begun || (self.pass > 0 && self.start < self.end)
    }

    /// Makes room behind what is read, more where all of it was filled.
    fn make_room(&mut self) {
        if self.end == self.buffer.len() && self.end < BUFFER {
            self.buffer.resize(BUFFER, 0);
        }
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            (self.start, self.run_end) = (0, 0);
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Gathered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if to.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        if this.first == First::Tls && this.start == this.end {
            return Pin::new(&mut this.inner).poll_read(cx, to);
        }
        while !this.gives() {
            if this.pass == 0 && this.next() {
                continue;
            }
            let number = {
                this.make_room();
                let mut read = ReadBuf::new(&mut this.buffer[this.end..]);
                ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
                read.filled().len()
            };
            if number == 0 {
                // Half a message: whoever reads sees that it ends there.
                if this.start == this.end {
                    return Poll::Ready(Ok(()));
                }
                this.pass = this.end - this.start;
            }
            this.end += number;
        }
        this.give(to);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Gathered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Gathered<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.inner.channel_binding()
    }
}

/// TLS, and inside it the same.
pub struct Inside<T>(pub T);

impl<S, T> TlsConnect<S> for Inside<T>
where
    T: TlsConnect<S>,
    T::Stream: Unpin,
    T::Future: Send + 'static,
{
    type Stream = Gathered<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.0.connect(stream);
        Box::pin(async { Ok(Gathered::new(connecting.await?, First::Message)) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Gives what it holds in pieces of these lengths, over and over.
    struct Pieces {
        bytes: Vec<u8>,
        lengths: Vec<usize>,
        read: usize,
        turn: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            to: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let length = self.lengths[self.turn % self.lengths.len()];
            let left = self.bytes.len() - self.read;
            let number = length.min(left).min(to.remaining());
            to.put_slice(&self.bytes[self.read..self.read + number]);
            self.read += number;
            self.turn += 1;
            Poll::Ready(Ok(()))
        }
    }

    fn message(kind: u8, payload: &[u8]) -> Vec<u8> {
        let length = (payload.len() as u32 + 4).to_be_bytes();
        [&[kind], &length[..], payload].concat()
    }

    fn all(bytes: &[u8], lengths: &[usize], asks: &[usize], first: First) -> Vec<u8> {
        drain(&mut gathered(bytes, lengths, first), asks)
    }

    fn gathered(bytes: &[u8], lengths: &[usize], first: First) -> Gathered<Pieces> {
        let pieces = Pieces {
            bytes: bytes.into(),
            lengths: lengths.into(),
            read: 0,
            turn: 0,
        };
        Gathered::new(pieces, first)
    }

    fn drain(gathered: &mut Gathered<Pieces>, asks: &[usize]) -> Vec<u8> {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let (mut out, mut turn) = (Vec::new(), 0);
        loop {
            let mut room = vec![0; asks[turn % asks.len()]];
            let mut read = ReadBuf::new(&mut room);
            let polled = Pin::new(&mut *gathered).poll_read(&mut cx, &mut read);
            assert!(matches!(polled, Poll::Ready(Ok(()))));
            if read.filled().is_empty() {
                return out;
            }
            out.extend_from_slice(read.filled());
            turn += 1;
        }
    }

    /// Kinds in order, CopyData that follow each other as one; and how many messages there were.
    fn meaning(mut bytes: &[u8]) -> (Vec<(u8, Vec<u8>)>, usize) {
        let (mut meaning, mut number): (Vec<(u8, Vec<u8>)>, usize) = (Vec::new(), 0);
        while let [kind, a, b, c, d, rest @ ..] = bytes {
            let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4;
            let (payload, rest) = rest.split_at(length);
            match meaning.last_mut() {
                Some((COPY_DATA, run)) if *kind == COPY_DATA => run.extend_from_slice(payload),
                _ => meaning.push((*kind, payload.to_vec())),
            }
            (bytes, number) = (rest, number + 1);
        }
        assert!(bytes.is_empty());
        (meaning, number)
    }

    proptest! {
        #[test]
        fn says_the_same_however_it_is_cut(
            messages in prop::collection::vec((prop::sample::select(b"dddddddTDCZcN".to_vec()), prop_oneof![2 => Just(0usize), 17 => 0usize..3000, 1 => 8000usize..33_000], prop::bool::weighted(0.02)), 0..200),
            lengths in prop::collection::vec(1usize..90_000, 1..6),
            asks in prop::collection::vec(1usize..20_000, 1..6),
        ) {
            let mut bytes = Vec::new();
            for (n, (kind, length, huge)) in messages.iter().enumerate() {
                let length = if *huge { length * 100 % 300_000 } else { *length };
                let payload: Vec<u8> = (0..length).map(|i| (i * 7 + n) as u8).collect();
                bytes.extend(message(*kind, &payload));
            }
            let (was, before) = meaning(&bytes);
            let (is, after) = meaning(&all(&bytes, &lengths, &asks, First::Message));
            prop_assert!(was == is);
            let pieces: usize = was.iter().map(|(_, payload)| payload.len() / (LONGEST / 2)).sum();
            prop_assert!(after <= before + pieces);
        }
    }

    #[test]
    fn a_message_longer_than_the_first_room_comes_whole() {
        let lengths = [
            FIRST_BUFFER - 1,
            FIRST_BUFFER,
            FIRST_BUFFER + 1,
            20_000,
            LONGEST - 1,
            LONGEST,
            LONGEST + 1,
        ];
        // From the end of the room on it looks like messages to one who has lost count.
        let rows = [&[0; 3][..], &message(COPY_DATA, b"abc").repeat(5000)].concat();
        // The last one leaves two bytes of the room for the header of what follows.
        let before = [
            vec![],
            message(b'T', b"abc"),
            message(b'T', &[1; FIRST_BUFFER - HEADER - 2]),
        ];
        for (length, before) in lengths
            .into_iter()
            .flat_map(|l| before.iter().map(move |b| (l, b)))
        {
            let bytes = [
                &before[..],
                &message(COPY_DATA, &rows[..length - HEADER]),
                &message(b'c', &[]),
            ]
            .concat();
            for piece in [1, FIRST_BUFFER, 90_000] {
                let is = meaning(&all(&bytes, &[piece], &[999], First::Message)).0;
                assert!(
                    is == meaning(&bytes).0,
                    "{length} behind {}, {piece} at a time",
                    before.len()
                );
            }
        }
        let bytes = message(COPY_DATA, &[7; 20_000]);
        for end in [FIRST_BUFFER, FIRST_BUFFER + 1, 20_000] {
            let cut = all(&bytes[..end], &[FIRST_BUFFER], &[999], First::Message);
            assert!(cut == bytes[..end], "{end}");
        }
    }

    #[test]
    fn only_what_fills_the_room_gets_more() {
        let room_after = |piece| {
            let rows = message(COPY_DATA, &[7; 60]).repeat(10_000);
            let mut gathered = gathered(&rows, &[piece], First::Message);
            drain(&mut gathered, &[8192]);
            gathered.buffer.len()
        };
        assert_eq!(room_after(FIRST_BUFFER - 1000), FIRST_BUFFER);
        assert_eq!(room_after(FIRST_BUFFER), BUFFER);
    }

    #[test]
    fn short_rows_become_few_messages() {
        let row = message(COPY_DATA, &[7; 60]);
        let bytes = row.repeat(10_000);
        let (is, number) = meaning(&all(&bytes, &[BUFFER], &[8192], First::Message));
        assert_eq!(is, meaning(&bytes).0);
        assert!(number < 40, "{number}");
    }

    #[test]
    fn a_long_row_becomes_messages_that_fit_a_small_buffer() {
        let row: Vec<u8> = (0..3_000_000u32).map(|i| (i * 31) as u8).collect();
        let bytes = [message(COPY_DATA, &row), message(b'c', &[])].concat();
        let mut out = &all(&bytes, &[BUFFER], &[8192], First::Message)[..];
        let (is, number) = meaning(out);
        assert_eq!(is, meaning(&bytes).0);
        assert!(number < 100, "{number}");
        while let [_, length @ ..] = out {
            let length = u32::from_be_bytes(*length.first_chunk().expect("a length")) as usize;
            assert!(length < LONGEST);
            out = &out[length + 1..];
        }
    }

    #[test]
    fn what_is_no_message_passes() {
        let tls: Vec<u8> = (0..200_000u32).map(|i| (i * 31) as u8).collect();
        assert_eq!(all(&tls, &[70_000], &[999], First::Tls), tls);
        let yes = [b"S", &tls[..]].concat();
        assert_eq!(all(&yes, &[70_000], &[999], First::Answer), yes);
        let rows = message(COPY_DATA, b"abc").repeat(3);
        let no = [b"N", &rows[..]].concat();
        let out = all(&no, &[70_000], &[999], First::Answer);
        assert_eq!(out, [b"N", &message(COPY_DATA, b"abcabcabc")[..]].concat());
        // A stream that is cut is cut at the same byte.
        for end in 1..rows.len() {
            let cut = all(&rows[..end], &[5], &[999], First::Message);
            assert!(
                meaning_of_cut(&cut) == meaning_of_cut(&rows[..end]),
                "{end}"
            );
        }
        // So is one with a long row, but for what is cut off behind its header.
        let row = message(COPY_DATA, &[7; 100_000]);
        let pieces = [1, LONGEST - HEADER, LONGEST, 2 * (LONGEST - HEADER), 99_999];
        for end in pieces.map(|at| HEADER + at) {
            let cut = all(&row[..end], &[5000], &[999], First::Message);
            let (whole, rest) = meaning_of_cut(&cut);
            let begun = rest.len().saturating_sub(HEADER);
            assert_eq!(whole.len() + begun, end - HEADER);
        }
        // What no message can be goes on as it is.
        let wrong = [b"d\xff\xff\xff\xff", &rows[..]].concat();
        assert_eq!(all(&wrong, &[5], &[999], First::Message), wrong);
    }

    /// The payload of whole messages, and what is behind them.
    fn meaning_of_cut(mut bytes: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut payload = Vec::new();
        while let [_, a, b, c, d, rest @ ..] = bytes
            && let Some((own, behind)) =
                rest.split_at_checked(u32::from_be_bytes([*a, *b, *c, *d]) as usize - 4)
        {
            payload.extend_from_slice(own);
            bytes = behind;
        }
        (payload, bytes.to_vec())
    }
}
