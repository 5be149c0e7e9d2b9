//! Events for TensorBoard, in records of `tensorboard-rs`: its own `FileWriter` panics on a full disk, in a thread of its own.

use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;
use std::time::SystemTime;

use protobuf::{Message, RepeatedField};
use tensorboard_proto::event::{Event, SessionLog, SessionLog_SessionStatus};
use tensorboard_proto::summary::{
    HistogramProto, Summary, Summary_Image, Summary_Value, SummaryMetadata, SummaryMetadata_PluginData,
};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::tensor_shape::{TensorShapeProto, TensorShapeProto_Dim};
use tensorboard_proto::types::DataType;
use tensorboard_rs::record_writer::RecordWriter;

/// Bins of a histogram.
const BINS: usize = 32;

/// One events file, new and open.
pub struct Events {
    /// None once a record could not be written whole: what came after it could not be read.
    writer: Option<RecordWriter<BufWriter<File>>>,
}

impl Events {
    /// Opens a new file in `folder`. TensorBoard forgets what earlier files say of `first_step` and later ones.
    pub fn create(folder: &Path, first_step: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut events = Self { writer: Some(RecordWriter::new(BufWriter::new(new_file(folder)?))) };
        let mut version = Event::new();
        version.set_file_version("brain.Event:2".to_owned());
        events.write(version)?;
        // TensorBoard takes the first such mark for the run's beginning, and each later one for a restart.
        let mut log = SessionLog::new();
        log.set_status(SessionLog_SessionStatus::START);
        let mut mark = Event::new();
        mark.set_session_log(log);
        mark.set_step(first_step as i64);
        events.write(mark)?;
        Ok(events)
    }

    /// Adds values to a step.
    pub fn add(&mut self, step: u64, values: Vec<Summary_Value>) -> io::Result<()> {
        let mut summary = Summary::new();
        summary.set_value(RepeatedField::from_vec(values));
        let mut event = Event::new();
        event.set_summary(summary);
        event.set_step(step as i64);
        self.write(event)
    }

    /// Writes an event of this moment; after one that failed, every call is an error.
    fn write(&mut self, mut event: Event) -> io::Result<()> {
        let stopped = || io::Error::other("the writer of events stopped; is the disk full?");
        let mut writer = self.writer.take().ok_or_else(stopped)?;
        event.set_wall_time(now().as_secs_f64());
        let bytes = event.write_to_bytes().map_err(io::Error::other)?;
        writer.write(&bytes)?;
        writer.flush()?;
        self.writer = Some(writer);
        Ok(())
    }

    /// As if the disk were full.
    #[cfg(test)]
    pub(crate) fn kill(&mut self) {
        self.writer = None;
    }
}

fn now() -> std::time::Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// `events.out.tfevents.<second>.gedanken.<process>.<number>`, which nobody has made: TensorBoard reads the files of a folder in the order of their
/// names.
fn new_file(folder: &Path) -> io::Result<File> {
    let (second, process) = (now().as_secs(), std::process::id());
    let mut number = 0;
    loop {
        match File::create_new(folder.join(format!("events.out.tfevents.{second:010}.gedanken.{process}.{number}"))) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made,
        }
    }
}

/// A point of a curve.
pub fn scalar(tag: &str, value: f64) -> Summary_Value {
    let mut summary = tagged(tag);
    summary.set_simple_value(value as f32);
    summary
}

/// The histogram of `values` in [`BINS`] bins of one width, from the least to the greatest. Infinities and NaN are left out; `None`
/// where nothing else is there.
pub fn histogram(tag: &str, values: &[f32]) -> Option<Summary_Value> {
    let finite = || values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v));
    let (low, high) = finite().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return None;
    }
    let bins = if low < high { BINS } else { 1 };
    let width = (high - low) / bins as f64;
    let mut counts = vec![0.0; bins];
    for value in finite() {
        let bin = if width > 0.0 { ((value - low) / width) as usize } else { 0 };
        counts[bin.min(bins - 1)] += 1.0;
    }
    let mut histogram = HistogramProto::new();
    histogram.set_min(low);
    histogram.set_max(high);
    histogram.set_num(counts.iter().sum());
    histogram.set_sum(finite().sum());
    histogram.set_sum_squares(finite().map(|v| v * v).sum());
    // The right-hand edges; the last is exact, whatever rounding makes of the sum.
    histogram.set_bucket_limit((1..=bins).map(|i| if i == bins { high } else { low + width * i as f64 }).collect());
    histogram.set_bucket(counts);
    let mut summary = tagged(tag);
    summary.set_histo(histogram);
    Some(summary)
}

/// A picture, or an animated GIF, which TensorBoard plays: `encoded` as PNG or GIF, `size` its pixels across and down.
pub fn image(tag: &str, encoded: Vec<u8>, size: (usize, usize)) -> Summary_Value {
    let mut image = Summary_Image::new();
    image.set_width(size.0 as i32);
    image.set_height(size.1 as i32);
    image.set_colorspace(3); // rgb
    image.set_encoded_image_string(encoded);
    let mut summary = tagged(tag);
    summary.set_image(image);
    summary
}

/// A text in Markdown; TensorBoard looks for it as `<tag>/text_summary`.
pub fn text(tag: &str, markdown: &str) -> Summary_Value {
    let mut one = TensorShapeProto_Dim::new();
    one.set_size(1);
    let mut shape = TensorShapeProto::new();
    shape.set_dim(RepeatedField::from_vec(vec![one]));
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_tensor_shape(shape);
    tensor.set_string_val(RepeatedField::from_vec(vec![markdown.as_bytes().to_vec()]));
    let mut plugin = SummaryMetadata_PluginData::new();
    plugin.set_plugin_name("text".to_string());
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(plugin);
    let mut summary = tagged(&format!("{tag}/text_summary"));
    summary.set_metadata(metadata);
    summary.set_tensor(tensor);
    summary
}

/// A value with its name.
pub fn tagged(tag: &str) -> Summary_Value {
    let mut summary = Summary_Value::new();
    summary.set_tag(tag.to_string());
    summary
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn files(folder: &Path) -> Vec<PathBuf> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }

    /// The payloads of a file of TFRecords, their checksums checked.
    fn records(path: &Path) -> Vec<Event> {
        let bytes = fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut take = |count: usize| {
            let (taken, after) = rest.split_at(count);
            rest = after;
            taken
        };
        let mut events = Vec::new();
        while events.iter().map(|(_, size)| size).sum::<usize>() < bytes.len() {
            let head = take(8);
            assert_eq!(take(4), masked_crc32c(head).to_le_bytes());
            let length = u64::from_le_bytes(head.try_into().unwrap()) as usize;
            let payload = take(length);
            assert_eq!(take(4), masked_crc32c(payload).to_le_bytes());
            events.push((Event::parse_from_bytes(payload).unwrap(), length + 16));
        }
        events.into_iter().map(|(event, _)| event).collect()
    }

    /// CRC-32C bit by bit (Castagnoli, reflected), masked as TFRecord has it: not the table that wrote the file.
    fn masked_crc32c(bytes: &[u8]) -> u32 {
        let crc = !bytes.iter().fold(!0u32, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
        });
        crc.rotate_right(15).wrapping_add(0xa282_ead8)
    }

    #[test]
    fn what_is_written_reads_back() {
        assert_eq!(masked_crc32c(b"123456789"), 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8));
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::create(folder.path(), 0).unwrap();
        events.add(7, vec![scalar("loss", 0.25), scalar("bad", f64::NAN)]).unwrap();
        events.add(8, vec![image("seen", vec![1, 2, 3], (20, 10)), text("config", "**bold**")]).unwrap();
        drop(events);

        let read = records(&files(folder.path())[0]);
        assert_eq!(read.len(), 4);
        assert_eq!(read[0].get_file_version(), "brain.Event:2");
        assert_eq!((read[1].get_step(), read[2].get_step(), read[3].get_step()), (0, 7, 8));
        let scalars = read[2].get_summary().get_value();
        assert_eq!((scalars[0].get_tag(), scalars[0].get_simple_value()), ("loss", 0.25));
        assert!(scalars[1].get_simple_value().is_nan());
        let [seen, config] = read[3].get_summary().get_value() else { panic!("two values") };
        assert_eq!((seen.get_image().get_width(), seen.get_image().get_height()), (20, 10));
        assert_eq!(seen.get_image().get_encoded_image_string(), [1, 2, 3]);
        assert_eq!(config.get_tag(), "config/text_summary");
        assert_eq!(config.get_metadata().get_plugin_data().get_plugin_name(), "text");
        assert_eq!(config.get_tensor().get_string_val()[0], b"**bold**");
    }

    #[test]
    fn a_histogram_counts_every_finite_value_once() {
        let values: Vec<f32> = (0..=320).map(|i| i as f32 / 10.0).chain([f32::NAN, f32::INFINITY]).collect();
        let summary = histogram("weights", &values).unwrap();
        let found = summary.get_histo();
        assert_eq!((found.get_min(), found.get_max(), found.get_num()), (0.0, 32.0, 321.0));
        assert!((found.get_sum() - 5136.0).abs() < 1e-3 && (found.get_sum_squares() - 109_739.2).abs() < 0.1);
        assert_eq!(found.get_bucket_limit().len(), BINS);
        assert_eq!(found.get_bucket_limit()[BINS - 1], 32.0);
        assert_eq!(found.get_bucket().iter().sum::<f64>(), 321.0);
        assert!(found.get_bucket().iter().all(|count| (9.0..=11.0).contains(count)));

        let constant = histogram("constant", &[0.5; 4]).unwrap();
        assert_eq!(
            (constant.get_histo().get_bucket(), constant.get_histo().get_bucket_limit()),
            (&[4.0][..], &[0.5][..])
        );
        assert!(histogram("nothing", &[f32::NAN]).is_none());
    }

    #[test]
    fn files_of_the_same_second_do_not_overwrite_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut all: Vec<_> = (0..4).map(|_| Events::create(folder.path(), 0).unwrap()).collect();
        for (i, events) in all.iter_mut().enumerate() {
            events.add(i as u64, vec![scalar("i", i as f64)]).unwrap();
        }
        drop(all);
        let files = files(folder.path());
        assert_eq!(files.len(), 4, "{files:?}: and nothing else is left");
        let mut steps: Vec<_> = files.iter().map(|file| records(file)[2].get_step()).collect();
        steps.sort();
        assert_eq!(steps, [0, 1, 2, 3]);
    }

    #[test]
    fn a_resumed_file_tells_tensorboard_what_to_forget() {
        let folder = tempfile::tempdir().unwrap();
        drop(Events::create(folder.path(), 101).unwrap());
        let read = records(&files(folder.path())[0]);
        assert_eq!(
            (read[1].get_step(), read[1].get_session_log().get_status()),
            (101, SessionLog_SessionStatus::START)
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_and_no_panic() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut events = Events { writer: Some(RecordWriter::new(BufWriter::new(full))) };
        let told = events.add(1, vec![scalar("loss", 0.0)]).unwrap_err();
        assert_eq!(told.kind(), io::ErrorKind::StorageFull);
        assert!(events.add(2, vec![scalar("loss", 0.0)]).is_err(), "nothing comes after half a record");
    }
}
