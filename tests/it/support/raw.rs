//! A Kafka client written by hand over a blocking socket: frames, headers, Produce 0 to 13 with its batches, and the
//! few requests that the cluster helper needs. It shares no code with the gateway nor with kafka-protocol, so that a
//! test which uses it knows Kafka and not our encoder. It does not retry, pool, compress or follow leaders.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

pub const PRODUCE: i16 = 0;
pub const FETCH: i16 = 1;
pub const LIST_OFFSETS: i16 = 2;
pub const OFFSET_FOR_LEADER_EPOCH: i16 = 23;
pub const METADATA: i16 = 3;
pub const SASL_HANDSHAKE: i16 = 17;
pub const API_VERSIONS: i16 = 18;
pub const CREATE_TOPICS: i16 = 19;
pub const INIT_PRODUCER_ID: i16 = 22;
pub const SASL_AUTHENTICATE: i16 = 36;
pub const INCREMENTAL_ALTER_CONFIGS: i16 = 44;

/// How long a connect, and a read that names no other limit, may take.
pub const TIMEOUT: Duration = Duration::from_secs(15);

/// The first flexible version of an API ("flexibleVersions" in Kafka's schemas), None when it has none.
pub fn flexible_from(api_key: i16) -> Option<i16> {
    match api_key {
        17 | 47 => None,
        0 | 3 => Some(9),
        1 => Some(12),
        2 | 9 | 11 => Some(6),
        8 => Some(8),
        15 | 19 => Some(5),
        12 | 13 | 14 | 20 | 23 | 32 => Some(4),
        10 | 16 | 18 | 24 | 25 | 26 | 28 => Some(3),
        21 | 22 | 29 | 30 | 31 | 33..=43 => Some(2),
        27 | 44 | 48 | 49 | 53 | 54 => Some(1),
        _ => Some(0),
    }
}

pub fn is_flexible(api_key: i16, api_version: i16) -> bool {
    flexible_from(api_key).is_some_and(|first| api_version >= first)
}

// ---------------------------------------------------------------------------------------------------- connection

pub struct Raw {
    stream: TcpStream,
    correlation_id: i32,
    pub client_id: Option<String>,
}

impl Raw {
    pub fn connect(address: &str) -> io::Result<Raw> {
        Raw::connect_within(address, TIMEOUT)
    }

    pub fn connect_within(address: &str, timeout: Duration) -> io::Result<Raw> {
        let first: SocketAddr = address
            .to_socket_addrs()?
            .next()
            .ok_or_else(|| io::Error::new(ErrorKind::NotFound, address.to_string()))?;
        let stream = TcpStream::connect_timeout(&first, timeout)?;
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Raw {
            stream,
            correlation_id: 0,
            client_id: Some("raw".into()),
        })
    }

    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends one request in one write; its correlation id.
    pub fn send(&mut self, api_key: i16, api_version: i16, body: &[u8]) -> io::Result<i32> {
        self.correlation_id += 1;
        let id = self.correlation_id;
        let frame = request_frame(api_key, api_version, id, self.client_id.as_deref(), body);
        self.stream.write_all(&frame)?;
        Ok(id)
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// The next frame without its size; None when the peer ended between two frames.
    pub fn read_frame(&mut self, timeout: Duration) -> io::Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + timeout;
        let mut size = [0; 4];
        match self.read_until(&mut size, deadline)? {
            0 => return Ok(None),
            4 => {}
            _ => return Err(ErrorKind::UnexpectedEof.into()),
        }
        let size = i32::from_be_bytes(size);
        let size = usize::try_from(size)
            .map_err(|_| io::Error::other(format!("a frame of {size} bytes")))?;
        let mut frame = vec![0; size];
        match self.read_until(&mut frame, deadline)? {
            read if read == size => Ok(Some(frame)),
            _ => Err(ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Fills `buffer` up to the peer's end; how much there was.
    fn read_until(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.stream.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(e) if e.kind() == ErrorKind::WouldBlock => {
                    return Err(ErrorKind::TimedOut.into());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    /// The next response as an answer to `api_key` at `api_version`: its correlation id, and the body behind the header.
    pub fn read(
        &mut self,
        api_key: i16,
        api_version: i16,
        timeout: Duration,
    ) -> io::Result<(i32, Vec<u8>)> {
        let frame = self.read_frame(timeout)?.ok_or(ErrorKind::UnexpectedEof)?;
        let mut cursor = Cursor::new(&frame);
        let id = cursor.i32()?;
        // An ApiVersions response has header v0 in every version: the client does not know yet what the broker speaks.
        if is_flexible(api_key, api_version) && api_key != API_VERSIONS {
            cursor.tags()?;
        }
        Ok((id, cursor.rest().to_vec()))
    }

    /// Sends a request and reads its response; the body. An answer to another request is an error.
    pub fn call(&mut self, api_key: i16, api_version: i16, body: &[u8]) -> io::Result<Vec<u8>> {
        self.call_within(api_key, api_version, body, TIMEOUT)
    }

    pub fn call_within(
        &mut self,
        api_key: i16,
        api_version: i16,
        body: &[u8],
        timeout: Duration,
    ) -> io::Result<Vec<u8>> {
        let sent = self.send(api_key, api_version, body)?;
        let (answered, body) = self.read(api_key, api_version, timeout)?;
        match answered == sent {
            true => Ok(body),
            false => Err(io::Error::other(format!(
                "asked {sent}, answered {answered}"
            ))),
        }
    }

    /// True when neither a byte nor the peer's end arrives for `span`.
    pub fn is_silent_for(&mut self, span: Duration) -> io::Result<bool> {
        self.stream.set_read_timeout(Some(span))?;
        match self.stream.peek(&mut [0]) {
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(true),
            Err(e) => Err(e),
            Ok(_) => Ok(false),
        }
    }

    /// Ends our write side; the answers can still be read.
    pub fn finish_writing(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Produces and reads the answer. With acks=0 there is none: use `send`.
    pub fn produce(&mut self, produce: &Produce) -> io::Result<ProduceAnswer> {
        let body = self.call(PRODUCE, produce.version, &produce.body())?;
        ProduceAnswer::parse(produce.version, &body)
    }
}

/// A whole frame: size, request header v1 or v2 (v0 has no client id: ControlledShutdown only), body.
pub fn request_frame(
    api_key: i16,
    api_version: i16,
    correlation_id: i32,
    client_id: Option<&str>,
    body: &[u8],
) -> Vec<u8> {
    let mut frame = Body::new();
    frame
        .i32(0)
        .i16(api_key)
        .i16(api_version)
        .i32(correlation_id)
        .nullable_string(client_id);
    if is_flexible(api_key, api_version) {
        frame.tags();
    }
    frame.bytes(body);
    let mut frame = frame.0;
    let size = (frame.len() - 4) as i32;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    frame
}

// --------------------------------------------------------------------------------------------------------- bytes

/// Kafka's primitive types, appended.
#[derive(Clone, Debug, Default)]
pub struct Body(pub Vec<u8>);

impl Body {
    pub fn new() -> Body {
        Body::default()
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Body {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn i8(&mut self, value: i8) -> &mut Body {
        self.bytes(&value.to_be_bytes())
    }

    pub fn i16(&mut self, value: i16) -> &mut Body {
        self.bytes(&value.to_be_bytes())
    }

    pub fn i32(&mut self, value: i32) -> &mut Body {
        self.bytes(&value.to_be_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Body {
        self.bytes(&value.to_be_bytes())
    }

    pub fn i64(&mut self, value: i64) -> &mut Body {
        self.bytes(&value.to_be_bytes())
    }

    pub fn uvarint(&mut self, mut value: u32) -> &mut Body {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    /// A zigzag varint, as inside records.
    pub fn varint(&mut self, value: i64) -> &mut Body {
        let mut value = ((value << 1) ^ (value >> 63)) as u64;
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    pub fn string(&mut self, value: &str) -> &mut Body {
        self.i16(value.len() as i16).bytes(value.as_bytes())
    }

    pub fn nullable_string(&mut self, value: Option<&str>) -> &mut Body {
        match value {
            Some(value) => self.string(value),
            None => self.i16(-1),
        }
    }

    pub fn compact_string(&mut self, value: &str) -> &mut Body {
        self.uvarint(value.len() as u32 + 1).bytes(value.as_bytes())
    }

    pub fn compact_nullable_string(&mut self, value: Option<&str>) -> &mut Body {
        match value {
            Some(value) => self.compact_string(value),
            None => self.uvarint(0),
        }
    }

    /// No tagged fields.
    pub fn tags(&mut self) -> &mut Body {
        self.uvarint(0)
    }

    /// The length of an array, in the encoding of flexible or older versions.
    pub fn array(&mut self, length: usize, flexible: bool) -> &mut Body {
        match flexible {
            true => self.uvarint(length as u32 + 1),
            false => self.i32(length as i32),
        }
    }
}

/// Kafka's primitive types, read; an error instead of a panic when the bytes end.
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// Tagged fields as they came: number and content.
pub type Tags = Vec<(u32, Vec<u8>)>;

impl<'a> Cursor<'a> {
    pub fn new(bytes: &'a [u8]) -> Cursor<'a> {
        Cursor { bytes, at: 0 }
    }

    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    pub fn take(&mut self, length: usize) -> io::Result<&'a [u8]> {
        let taken = self.rest().get(..length).ok_or(ErrorKind::UnexpectedEof)?;
        self.at += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        bytes.copy_from_slice(self.take(N)?);
        Ok(bytes)
    }

    pub fn bool(&mut self) -> io::Result<bool> {
        Ok(self.take(1)?[0] != 0)
    }

    pub fn i16(&mut self) -> io::Result<i16> {
        Ok(i16::from_be_bytes(self.fixed()?))
    }

    pub fn i32(&mut self) -> io::Result<i32> {
        Ok(i32::from_be_bytes(self.fixed()?))
    }

    pub fn i64(&mut self) -> io::Result<i64> {
        Ok(i64::from_be_bytes(self.fixed()?))
    }

    pub fn uuid(&mut self) -> io::Result<[u8; 16]> {
        self.fixed()
    }

    pub fn uvarint(&mut self) -> io::Result<u32> {
        let mut value = 0u32;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u32::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(io::Error::other("a varint of more than five bytes"))
    }

    /// A nullable string in either encoding.
    pub fn string(&mut self, flexible: bool) -> io::Result<Option<String>> {
        let length = match flexible {
            true => i64::from(self.uvarint()?) - 1,
            false => i64::from(self.i16()?),
        };
        match usize::try_from(length) {
            Ok(length) => Ok(Some(
                String::from_utf8_lossy(self.take(length)?).into_owned(),
            )),
            Err(_) => Ok(None),
        }
    }

    /// An array in either encoding; null is empty.
    pub fn array<T>(
        &mut self,
        flexible: bool,
        mut element: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        let length = match flexible {
            true => i64::from(self.uvarint()?) - 1,
            false => i64::from(self.i32()?),
        };
        (0..length).map(|_| element(self)).collect()
    }

    pub fn tags(&mut self) -> io::Result<Tags> {
        let count = self.uvarint()?;
        (0..count)
            .map(|_| {
                let tag = self.uvarint()?;
                let size = self.uvarint()? as usize;
                Ok((tag, self.take(size)?.to_vec()))
            })
            .collect()
    }

    pub fn tags_if(&mut self, flexible: bool) -> io::Result<Tags> {
        match flexible {
            true => self.tags(),
            false => Ok(Vec::new()),
        }
    }
}

// ------------------------------------------------------------------------------------------------------- Produce

/// A Produce request of any version; `records` are bytes made by `Batch`, `message_set` or by the test itself.
#[derive(Clone, Debug)]
pub struct Produce {
    pub version: i16,
    pub acks: i16,
    pub timeout_ms: i32,
    pub transactional_id: Option<String>,
    pub topics: Vec<ProduceTopic>,
}

#[derive(Clone, Debug)]
pub struct ProduceTopic {
    pub name: String,
    /// What stands for the name from version 13 on.
    pub id: [u8; 16],
    /// Partition and its records; None is a null record set.
    pub partitions: Vec<(i32, Option<Vec<u8>>)>,
}

impl Produce {
    /// One partition of one topic; from version 13 on set the topic's id with `id`.
    pub fn new(version: i16, acks: i16, topic: &str, partition: i32, records: Vec<u8>) -> Produce {
        let partitions = vec![(partition, Some(records))];
        let topics = vec![ProduceTopic {
            name: topic.into(),
            id: [0; 16],
            partitions,
        }];
        Produce {
            version,
            acks,
            timeout_ms: 10_000,
            transactional_id: None,
            topics,
        }
    }

    /// Gives the first topic its id.
    pub fn id(mut self, id: [u8; 16]) -> Produce {
        self.topics[0].id = id;
        self
    }

    pub fn timeout_ms(mut self, timeout_ms: i32) -> Produce {
        self.timeout_ms = timeout_ms;
        self
    }

    /// Adds a partition to the last topic.
    pub fn and(mut self, partition: i32, records: Vec<u8>) -> Produce {
        let topic = self.topics.last_mut().expect("`new` made one");
        topic.partitions.push((partition, Some(records)));
        self
    }

    pub fn body(&self) -> Vec<u8> {
        let flexible = self.version >= 9;
        let mut body = Body::new();
        match self.version {
            0..=2 => &mut body,
            3..=8 => body.nullable_string(self.transactional_id.as_deref()),
            _ => body.compact_nullable_string(self.transactional_id.as_deref()),
        };
        body.i16(self.acks)
            .i32(self.timeout_ms)
            .array(self.topics.len(), flexible);
        for topic in &self.topics {
            match self.version {
                0..=8 => body.string(&topic.name),
                9..=12 => body.compact_string(&topic.name),
                _ => body.bytes(&topic.id),
            };
            body.array(topic.partitions.len(), flexible);
            for (partition, records) in &topic.partitions {
                body.i32(*partition);
                match (records, flexible) {
                    (Some(records), true) => {
                        body.uvarint(records.len() as u32 + 1).bytes(records).tags()
                    }
                    (Some(records), false) => body.i32(records.len() as i32).bytes(records),
                    (None, true) => body.uvarint(0).tags(),
                    (None, false) => body.i32(-1),
                };
            }
            if flexible {
                body.tags();
            }
        }
        if flexible {
            body.tags();
        }
        body.0
    }
}

/// A Produce response, whatever its version.
#[derive(Clone, Debug)]
pub struct ProduceAnswer {
    pub partitions: Vec<PartitionAnswer>,
    pub throttle_time_ms: i32,
    /// The tagged fields at the end: tag 0 is `node_endpoints`.
    pub tags: Tags,
}

#[derive(Clone, Debug)]
pub struct PartitionAnswer {
    pub topic: String,
    pub topic_id: [u8; 16],
    pub partition: i32,
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    /// Batch index and text.
    pub record_errors: Vec<(i32, Option<String>)>,
    pub error_message: Option<String>,
    /// Tag 0 is `current_leader`.
    pub tags: Tags,
}

impl ProduceAnswer {
    pub fn parse(version: i16, body: &[u8]) -> io::Result<ProduceAnswer> {
        let flexible = version >= 9;
        let mut cursor = Cursor::new(body);
        let mut partitions = Vec::new();
        cursor.array(flexible, |c| {
            let (topic, topic_id) = match version {
                0..=12 => (c.string(flexible)?.unwrap_or_default(), [0; 16]),
                _ => (String::new(), c.uuid()?),
            };
            partitions.extend(c.array(flexible, |c| {
                let (partition, error_code, base_offset) = (c.i32()?, c.i16()?, c.i64()?);
                let log_append_time_ms = if version >= 2 { c.i64()? } else { -1 };
                let log_start_offset = if version >= 5 { c.i64()? } else { -1 };
                let (mut record_errors, mut error_message) = (Vec::new(), None);
                if version >= 8 {
                    record_errors = c.array(flexible, |c| {
                        let error = (c.i32()?, c.string(flexible)?);
                        c.tags_if(flexible)?;
                        Ok(error)
                    })?;
                    error_message = c.string(flexible)?;
                }
                Ok(PartitionAnswer {
                    topic: topic.clone(),
                    topic_id,
                    partition,
                    error_code,
                    base_offset,
                    log_append_time_ms,
                    log_start_offset,
                    record_errors,
                    error_message,
                    tags: c.tags_if(flexible)?,
                })
            })?);
            c.tags_if(flexible)
        })?;
        let throttle_time_ms = if version >= 1 { cursor.i32()? } else { 0 };
        let tags = cursor.tags_if(flexible)?;
        match cursor.rest().len() {
            0 => Ok(ProduceAnswer {
                partitions,
                throttle_time_ms,
                tags,
            }),
            left => Err(io::Error::other(format!(
                "{left} bytes behind a Produce v{version} response"
            ))),
        }
    }

    /// The error code of each partition, in the order of the answer.
    pub fn error_codes(&self) -> Vec<i16> {
        self.partitions.iter().map(|p| p.error_code).collect()
    }
}

// ------------------------------------------------------------------------------------------------------- records

/// Key and value.
pub type KeyValue = (Option<Vec<u8>>, Option<Vec<u8>>);

/// A record batch of magic 2.
#[derive(Clone, Debug)]
pub struct Batch {
    pub producer_id: i64,
    pub producer_epoch: i16,
    pub base_sequence: i32,
    /// Bits 0 to 2 compression (the records are written as they are), 4 transactional, 5 control.
    pub attributes: i16,
    pub timestamp_ms: i64,
    pub records: Vec<KeyValue>,
}

pub fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("a clock after 1970").as_millis() as i64
}

impl Batch {
    pub fn new() -> Batch {
        Batch {
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            attributes: 0,
            // Now: a batch whose time is past the topic's retention is deleted within minutes.
            timestamp_ms: now_ms(),
            records: Vec::new(),
        }
    }

    /// `count` records whose keys are the ids from `first` on, in decimal, with values of `value_bytes` bytes.
    pub fn of_ids(first: u64, count: u64, value_bytes: usize) -> Batch {
        let record = |id: u64| {
            (
                Some(id.to_string().into_bytes()),
                Some(vec![b'v'; value_bytes]),
            )
        };
        Batch {
            records: (first..first + count).map(record).collect(),
            ..Batch::new()
        }
    }

    pub fn record(mut self, key: Option<&[u8]>, value: Option<&[u8]>) -> Batch {
        self.records
            .push((key.map(<[u8]>::to_vec), value.map(<[u8]>::to_vec)));
        self
    }

    pub fn producer(mut self, id: i64, epoch: i16, base_sequence: i32) -> Batch {
        (self.producer_id, self.producer_epoch, self.base_sequence) = (id, epoch, base_sequence);
        self
    }

    /// The whole batch: 61 bytes of header, then the records.
    pub fn bytes(&self) -> Vec<u8> {
        // What the checksum covers: everything from `attributes` on.
        let mut covered = Body::new();
        let count = self.records.len() as i32;
        covered
            .i16(self.attributes)
            .i32(count - 1)
            .i64(self.timestamp_ms)
            .i64(self.timestamp_ms);
        covered
            .i64(self.producer_id)
            .i16(self.producer_epoch)
            .i32(self.base_sequence)
            .i32(count);
        for (offset_delta, (key, value)) in self.records.iter().enumerate() {
            let mut record = Body::new();
            record.i8(0).varint(0).varint(offset_delta as i64);
            for part in [key, value] {
                match part {
                    Some(part) => record.varint(part.len() as i64).bytes(part),
                    None => record.varint(-1),
                };
            }
            record.varint(0);
            covered.varint(record.0.len() as i64).bytes(&record.0);
        }
        let mut batch = Body::new();
        // base_offset, batch_length (all that follows it), partition_leader_epoch, magic, crc.
        batch
            .i64(0)
            .i32(covered.0.len() as i32 + 9)
            .i32(-1)
            .i8(2)
            .u32(crc32c(&covered.0));
        batch.bytes(&covered.0);
        batch.0
    }
}

/// Messages of magic 0 or 1, one outer entry each, uncompressed.
pub fn message_set(magic: i8, messages: &[KeyValue]) -> Vec<u8> {
    let mut set = Body::new();
    for (key, value) in messages {
        let mut covered = Body::new();
        covered.i8(magic).i8(0);
        if magic == 1 {
            covered.i64(1_700_000_000_000);
        }
        for part in [key, value] {
            match part {
                Some(part) => covered.i32(part.len() as i32).bytes(part),
                None => covered.i32(-1),
            };
        }
        set.i64(0)
            .i32(covered.0.len() as i32 + 4)
            .u32(crc32(&covered.0))
            .bytes(&covered.0);
    }
    set.0
}

/// CRC-32C (Castagnoli), of record batches.
pub fn crc32c(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table(0x82f6_3b78);
    crc(&TABLE, bytes)
}

/// CRC-32 (IEEE), of messages of magic 0 and 1.
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = crc_table(0xedb8_8320);
    crc(&TABLE, bytes)
}

const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                value >> 1 ^ polynomial
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

fn crc(table: &[u32; 256], bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |value, byte| {
        value >> 8 ^ table[usize::from(value as u8 ^ byte)]
    })
}

// ------------------------------------------------------------------------------------------ ApiVersions, Metadata

/// What a broker says it speaks.
#[derive(Clone, Debug)]
pub struct ApiVersions {
    pub error_code: i16,
    /// API key, oldest and newest version.
    pub keys: Vec<(i16, i16, i16)>,
    pub tags: Tags,
}

impl ApiVersions {
    pub fn ask(connection: &mut Raw, version: i16) -> io::Result<ApiVersions> {
        let mut body = Body::new();
        if version >= 3 {
            body.compact_string("raw").compact_string("1").tags();
        }
        let body = connection.call(API_VERSIONS, version, &body.0)?;
        ApiVersions::parse(version, &body)
    }

    pub fn parse(version: i16, body: &[u8]) -> io::Result<ApiVersions> {
        let flexible = version >= 3;
        let mut cursor = Cursor::new(body);
        let error_code = cursor.i16()?;
        let keys = cursor.array(flexible, |c| {
            let entry = (c.i16()?, c.i16()?, c.i16()?);
            c.tags_if(flexible)?;
            Ok(entry)
        })?;
        if version >= 1 {
            cursor.i32()?;
        }
        let tags = cursor.tags_if(flexible)?;
        Ok(ApiVersions {
            error_code,
            keys,
            tags,
        })
    }

    /// Oldest and newest version of an API.
    pub fn of(&self, api_key: i16) -> Option<(i16, i16)> {
        self.keys
            .iter()
            .find(|k| k.0 == api_key)
            .map(|k| (k.1, k.2))
    }
}

#[derive(Clone, Debug)]
pub struct Metadata {
    pub brokers: Vec<MetadataBroker>,
    pub cluster_id: Option<String>,
    pub controller_id: i32,
    pub topics: Vec<MetadataTopic>,
}

#[derive(Clone, Debug)]
pub struct MetadataBroker {
    pub node_id: i32,
    pub host: String,
    pub port: i32,
    pub rack: Option<String>,
}

#[derive(Clone, Debug)]
pub struct MetadataTopic {
    pub error_code: i16,
    pub name: Option<String>,
    pub id: [u8; 16],
    pub partitions: Vec<MetadataPartition>,
}

#[derive(Clone, Debug)]
pub struct MetadataPartition {
    pub error_code: i16,
    pub partition: i32,
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub replica_nodes: Vec<i32>,
    pub isr_nodes: Vec<i32>,
    pub offline_replicas: Vec<i32>,
}

impl Metadata {
    /// Version 12, which both 3.9 and 4.3 speak. None asks for all topics; none is created by asking.
    pub fn ask(
        connection: &mut Raw,
        topics: Option<&[&str]>,
        timeout: Duration,
    ) -> io::Result<Metadata> {
        let mut body = Body::new();
        match topics {
            None => body.uvarint(0),
            Some(topics) => {
                body.array(topics.len(), true);
                for topic in topics {
                    body.bytes(&[0; 16])
                        .compact_nullable_string(Some(topic))
                        .tags();
                }
                &mut body
            }
        };
        // allow_auto_topic_creation, include_topic_authorized_operations
        body.i8(0).i8(0).tags();
        let body = connection.call_within(METADATA, 12, &body.0, timeout)?;
        Metadata::parse(12, &body)
    }

    pub fn parse(version: i16, body: &[u8]) -> io::Result<Metadata> {
        let flexible = version >= 9;
        let mut cursor = Cursor::new(body);
        if version >= 3 {
            cursor.i32()?;
        }
        let brokers = cursor.array(flexible, |c| {
            let broker = MetadataBroker {
                node_id: c.i32()?,
                host: c.string(flexible)?.unwrap_or_default(),
                port: c.i32()?,
                rack: if version >= 1 {
                    c.string(flexible)?
                } else {
                    None
                },
            };
            c.tags_if(flexible)?;
            Ok(broker)
        })?;
        let cluster_id = if version >= 2 {
            cursor.string(flexible)?
        } else {
            None
        };
        let controller_id = if version >= 1 { cursor.i32()? } else { -1 };
        let topics = cursor.array(flexible, |c| {
            let (error_code, name) = (c.i16()?, c.string(flexible)?);
            let id = if version >= 10 { c.uuid()? } else { [0; 16] };
            if version >= 1 {
                c.bool()?;
            }
            let partitions = c.array(flexible, |c| {
                let partition = MetadataPartition {
                    error_code: c.i16()?,
                    partition: c.i32()?,
                    leader_id: c.i32()?,
                    leader_epoch: if version >= 7 { c.i32()? } else { -1 },
                    replica_nodes: c.array(flexible, Cursor::i32)?,
                    isr_nodes: c.array(flexible, Cursor::i32)?,
                    offline_replicas: if version >= 5 {
                        c.array(flexible, Cursor::i32)?
                    } else {
                        Vec::new()
                    },
                };
                c.tags_if(flexible)?;
                Ok(partition)
            })?;
            if version >= 8 {
                c.i32()?;
            }
            c.tags_if(flexible)?;
            Ok(MetadataTopic {
                error_code,
                name,
                id,
                partitions,
            })
        })?;
        Ok(Metadata {
            brokers,
            cluster_id,
            controller_id,
            topics,
        })
    }

    pub fn topic(&self, name: &str) -> Option<&MetadataTopic> {
        self.topics.iter().find(|t| t.name.as_deref() == Some(name))
    }

    pub fn partition(&self, topic: &str, partition: i32) -> Option<&MetadataPartition> {
        self.topic(topic)?
            .partitions
            .iter()
            .find(|p| p.partition == partition)
    }
}

// ------------------------------------------------------------------------------------------------ the few others

/// Creates a topic (CreateTopics v4, answered by any broker); error code and text. `assignment` has one list of
/// replicas per partition and takes the place of `partitions` and `replication_factor`.
pub fn create_topic(
    connection: &mut Raw,
    name: &str,
    partitions: i32,
    replication_factor: i16,
    configs: &[(&str, &str)],
    assignment: Option<&[Vec<i32>]>,
) -> io::Result<(i16, Option<String>)> {
    let mut body = Body::new();
    body.i32(1).string(name);
    match assignment {
        None => body.i32(partitions).i16(replication_factor).i32(0),
        Some(assignment) => {
            body.i32(-1).i16(-1).i32(assignment.len() as i32);
            for (partition, replicas) in assignment.iter().enumerate() {
                body.i32(partition as i32).i32(replicas.len() as i32);
                for replica in replicas {
                    body.i32(*replica);
                }
            }
            &mut body
        }
    };
    body.i32(configs.len() as i32);
    for (key, value) in configs {
        body.string(key).string(value);
    }
    body.i32(10_000).i8(0);
    let answer = connection.call(CREATE_TOPICS, 4, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    cursor.i32()?;
    let mut topics = cursor.array(false, |c| {
        Ok((c.string(false)?, c.i16()?, c.string(false)?))
    })?;
    let (_, error_code, message) = topics.pop().ok_or(ErrorKind::UnexpectedEof)?;
    Ok((error_code, message))
}

/// What `alter_configs` changes.
#[derive(Clone, Copy, Debug)]
pub enum Resource<'a> {
    Topic(&'a str),
    /// All brokers.
    ClusterDefault,
    Broker(i32),
    Group(&'a str),
}

/// Sets configuration keys (IncrementalAlterConfigs v0); error code and text.
pub fn alter_configs(
    connection: &mut Raw,
    resource: Resource<'_>,
    configs: &[(&str, &str)],
) -> io::Result<(i16, Option<String>)> {
    let (kind, name) = match resource {
        Resource::Topic(name) => (2, name.to_string()),
        Resource::ClusterDefault => (4, String::new()),
        Resource::Broker(node_id) => (4, node_id.to_string()),
        Resource::Group(name) => (32, name.to_string()),
    };
    let mut body = Body::new();
    body.i32(1).i8(kind).string(&name).i32(configs.len() as i32);
    for (key, value) in configs {
        body.string(key).i8(0).string(value);
    }
    body.i8(0);
    let answer = connection.call(INCREMENTAL_ALTER_CONFIGS, 0, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    // throttle_time_ms, then the only element: error_code, error_message, …
    cursor.i32()?;
    cursor.i32()?;
    Ok((cursor.i16()?, cursor.string(false)?))
}

/// How far readers of a partition see (the high watermark), and where its leader's log ends: ListOffsets v1 and
/// OffsetForLeaderEpoch v2, asked of the leader.
pub fn ends(
    leader: &mut Raw,
    topic: &str,
    partition: i32,
    leader_epoch: i32,
) -> io::Result<(i64, i64)> {
    let code = |code: i16| match code {
        0 => Ok(()),
        code => Err(io::Error::other(format!(
            "{topic}-{partition}: error {code}"
        ))),
    };
    let mut body = Body::new();
    body.i32(-1).i32(1).string(topic);
    body.i32(1).i32(partition).i64(-1);
    let answer = leader.call(LIST_OFFSETS, 1, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    // One topic, its name, one partition, its index; behind the code a timestamp.
    cursor.i32()?;
    cursor.string(false)?;
    cursor.i64()?;
    code(cursor.i16()?)?;
    cursor.i64()?;
    let high_watermark = cursor.i64()?;

    let mut body = Body::new();
    body.i32(1).string(topic);
    body.i32(1).i32(partition).i32(-1).i32(leader_epoch);
    let answer = leader.call(OFFSET_FOR_LEADER_EPOCH, 2, &body.0)?;
    let mut cursor = Cursor::new(&answer);
    // The throttle, one topic, its name, one partition; behind the code its index and an epoch.
    cursor.i64()?;
    cursor.string(false)?;
    cursor.i32()?;
    code(cursor.i16()?)?;
    cursor.i64()?;
    Ok((high_watermark, cursor.i64()?))
}

/// A producer id and its epoch, for an idempotent producer without a transactional id (InitProducerId v0). The one
/// request that is repeated here: a broker answers COORDINATOR_LOAD_IN_PROGRESS until it has its first block of ids.
pub fn init_producer_id(connection: &mut Raw) -> io::Result<(i64, i16)> {
    let mut body = Body::new();
    body.nullable_string(None).i32(60_000);
    for _ in 0..100 {
        let answer = connection.call(INIT_PRODUCER_ID, 0, &body.0)?;
        let mut cursor = Cursor::new(&answer);
        cursor.i32()?;
        match cursor.i16()? {
            0 => return Ok((cursor.i64()?, cursor.i16()?)),
            14 => std::thread::sleep(Duration::from_millis(100)),
            code => return Err(io::Error::other(format!("InitProducerId: error {code}"))),
        }
    }
    Err(ErrorKind::TimedOut.into())
}

#[test]
fn checksums_are_those_of_the_catalogue_of_crc_algorithms() {
    assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_request_frame_has_the_client_id_and_tags_only_when_flexible() {
    let old = request_frame(PRODUCE, 8, 7, Some("c"), b"x");
    assert_eq!(old, [0, 0, 0, 12, 0, 0, 0, 8, 0, 0, 0, 7, 0, 1, b'c', b'x']);
    let flexible = request_frame(PRODUCE, 9, 7, None, b"x");
    assert_eq!(
        flexible,
        [0, 0, 0, 12, 0, 0, 0, 9, 0, 0, 0, 7, 0xff, 0xff, 0, b'x']
    );
    let handshake = request_frame(SASL_HANDSHAKE, 1, 7, None, b"");
    assert_eq!(handshake.len(), 14, "SaslHandshake never has tags");
}
