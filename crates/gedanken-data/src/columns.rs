//! Safetensors files of columns: row `i` of each column belongs to row `i` of every other.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use gedanken_env::ObservationSpace;
use memmap2::Mmap;
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};

use crate::DataError;
use crate::manifest::{FileRecord, Manifest};

/// A column: its name, the type of its numbers, the shape of one row.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    name: &'static str,
    dtype: Dtype,
    row: Vec<usize>,
}

// The columns of a shard, in the order of [`frame_columns`].
pub(crate) const STATE: usize = 0;
pub(crate) const ACTION: usize = 1;
pub(crate) const LABEL: usize = 2;
/// Pictures, or the latents in their place.
pub(crate) const PIXELS: usize = 3;
pub(crate) const EVENTFUL: usize = 4;
pub(crate) const LAST: usize = 5;

/// The columns of a shard, wide types first so that every number lies on a multiple of its size.
pub(crate) fn frame_columns(manifest: &Manifest) -> Vec<Column> {
    let ObservationSpace { channels, height, width } = manifest.observation;
    let shape = manifest.shape();
    let column = |name, dtype, row: &[usize]| Column { name, dtype, row: row.to_vec() };
    let frame = match manifest.latents {
        Some(_) => column("latents", Dtype::F16, &[channels, height]),
        None => column("pixels", Dtype::U8, &[channels, height, width]),
    };
    vec![
        column("state", Dtype::F64, &[manifest.state.len()]),
        column("action", Dtype::F32, &[shape.action]),
        column("label", Dtype::F32, &[shape.labels]),
        frame,
        column("eventful", Dtype::U8, &[]),
        column("last", Dtype::U8, &[]),
    ]
}

/// The columns of the file of episodes: length, offset, layout, policy.
pub(crate) fn episode_columns() -> Vec<Column> {
    ["length", "offset", "layout", "policy"].map(|name| Column { name, dtype: Dtype::I64, row: Vec::new() }).to_vec()
}

impl Column {
    /// Bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.dtype.bitsize() / 8 * self.row.iter().product::<usize>()
    }

    fn shape(&self, rows: usize) -> Vec<usize> {
        [&[rows], self.row.as_slice()].concat()
    }
}

/// Writes columns of `rows` rows to a new file; whoever gets it has to wait until the disk has it.
///
/// The library's own writer goes through a temporary file that only its owner may read; this one does not.
pub(crate) fn write(
    path: &Path,
    columns: &[Column],
    data: &[Vec<u8>],
    rows: usize,
) -> Result<(FileRecord, File), DataError> {
    let mut end = 0;
    let infos = columns.iter().zip(data).map(|(column, bytes)| {
        let start = end;
        end += bytes.len();
        let info = TensorInfo { dtype: column.dtype, shape: column.shape(rows), data_offsets: (start, end) };
        (column.name.to_owned(), info)
    });
    let inside = |error: &dyn std::fmt::Display| DataError::format(path, "columns", error, "rows of the right size");
    let metadata = Metadata::new(None, infos.collect()).map_err(|error| inside(&error))?;
    let mut header = serde_json::to_vec(&metadata).map_err(|error| inside(&error))?;
    header.resize(header.len().next_multiple_of(8), b' ');

    let file = File::create_new(path).map_err(DataError::io(path, "create"))?;
    let mut writer = BufWriter::with_capacity(1 << 20, &file);
    let mut hasher = crc32fast::Hasher::new();
    let mut bytes = 0;
    let length = (header.len() as u64).to_le_bytes();
    for part in [&length[..], &header].into_iter().chain(data.iter().map(Vec::as_slice)) {
        hasher.update(part);
        bytes += part.len() as u64;
        writer.write_all(part).map_err(DataError::io(path, "write"))?;
    }
    writer.flush().map_err(DataError::io(path, "write"))?;
    drop(writer);
    Ok((FileRecord { bytes, crc32: hasher.finalize() }, file))
}

/// A memory-mapped file of columns whose every row lies inside the file.
#[derive(Debug)]
pub(crate) struct Mapped {
    path: PathBuf,
    map: Mmap,
    columns: Vec<(Range<usize>, usize)>,
}

impl Mapped {
    /// Maps a file and checks that it has these columns with `rows` rows and is `bytes` long.
    pub(crate) fn open(path: &Path, columns: &[Column], rows: usize, bytes: u64) -> Result<Self, DataError> {
        stays_inside(path)?;
        let file = File::open(path).map_err(DataError::io(path, "open"))?;
        let length = file.metadata().map_err(DataError::io(path, "open"))?.len();
        if length != bytes {
            let expected = format!("{bytes}, as in dataset.toml: it was cut off or changed");
            return Err(DataError::format(path, "length", format!("{length} bytes"), expected));
        }
        // SAFETY: the map is only read. A dataset is written once and renamed into place whole; whoever changes its
        // files under a running program breaks the program, as with every mapped file.
        let map = unsafe { Mmap::map(&file) }.map_err(DataError::io(path, "map into memory"))?;
        let (header, metadata) = SafeTensors::read_metadata(&map)
            .map_err(|error| DataError::format(path, "safetensors header", error, "a whole safetensors file"))?;
        let mut ranges = Vec::with_capacity(columns.len());
        for column in columns {
            let Some(info) = metadata.info(column.name) else {
                let found = metadata.offset_keys().join(", ");
                return Err(DataError::format(path, "columns", found, format!("a column `{}`", column.name)));
            };
            let shape = column.shape(rows);
            if info.dtype != column.dtype || info.shape != shape {
                let what = format!("column `{}`", column.name);
                let found = format!("{} {:?}", info.dtype, info.shape);
                return Err(DataError::format(path, what, found, format!("{} {shape:?}", column.dtype)));
            }
            let (start, end) = info.data_offsets;
            ranges.push((header + 8 + start..header + 8 + end, column.row_bytes()));
        }
        Ok(Self { path: path.to_owned(), map, columns: ranges })
    }

    /// All bytes of a column.
    pub(crate) fn column(&self, column: usize) -> &[u8] {
        &self.map[self.columns[column].0.clone()]
    }

    /// The bytes of one row of a column.
    pub(crate) fn row(&self, column: usize, row: usize) -> &[u8] {
        crate::batch::row(self.column(column), row, self.columns[column].1)
    }

    /// Refuses a file that is no longer as long as what was mapped: reading what it has lost would end the program. One that was
    /// removed stays as it was, for whoever has mapped it.
    pub(crate) fn check_length(&self) -> Result<(), DataError> {
        match std::fs::metadata(&self.path) {
            Ok(file) if file.len() != self.map.len() as u64 => {
                let expected = format!("{}, as when it was opened: it was changed while it was read", self.map.len());
                Err(DataError::format(&self.path, "length", format!("{} bytes", file.len()), expected))
            }
            _ => Ok(()),
        }
    }

    /// Reads the whole file and compares its checksum.
    pub(crate) fn verify(&self, crc32: u32) -> Result<(), DataError> {
        match crc32fast::hash(&self.map) {
            found if found == crc32 => Ok(()),
            found => {
                let expected = format!("{crc32:08x}, as in dataset.toml: its content was changed");
                Err(DataError::format(&self.path, "checksum", format!("{found:08x}"), expected))
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses a file of a dataset that is a link out of its folder, or a device: a stranger's dataset reads nothing outside itself.
pub(crate) fn stays_inside(path: &Path) -> Result<(), DataError> {
    let found = path.canonicalize().map_err(DataError::io(path, "open"))?;
    let folder = path.parent().unwrap_or(Path::new(".")).canonicalize().map_err(DataError::io(path, "open"))?;
    if found.starts_with(&folder) && (found.is_file() || found.is_dir()) {
        return Ok(());
    }
    Err(DataError::format(path, "file", format!("a link to {}", found.display()), "a file in the dataset's folder"))
}

/// The numbers in a row of little-endian f32.
pub(crate) fn f32s(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

/// The numbers in a row of little-endian f64.
pub(crate) fn f64s(bytes: &[u8]) -> impl Iterator<Item = f64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|bytes| f64::from_le_bytes(*bytes))
}

/// The numbers in a row of little-endian i64.
pub(crate) fn i64s(bytes: &[u8]) -> impl Iterator<Item = i64> + '_ {
    bytes.as_chunks::<8>().0.iter().map(|bytes| i64::from_le_bytes(*bytes))
}
