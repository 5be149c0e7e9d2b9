use gedanken_data::{CollectConfig, DataConfig, DataError, Source, SourceKind, Split, WindowConfig};

use crate::line::{Line, small, write};
use crate::stream::check;

#[test]
fn defaults_are_those_of_the_documentation_and_survive_toml() {
    let config = DataConfig::default();
    assert_eq!((config.source, config.episode_steps, config.workers, config.prefetch), (SourceKind::Stream, 90, 1, 4));
    assert_eq!(
        config.window,
        WindowConfig { time: 9, frameskip: 1, extra: 3, layouts: 16, episodes: 4, eventful: 0.4 }
    );
    assert_eq!(toml::from_str::<DataConfig>("").unwrap(), config);
    let text = toml::to_string(&config).unwrap();
    assert_eq!(toml::from_str::<DataConfig>(&text).unwrap(), config);
    let text = toml::to_string(&CollectConfig::default()).unwrap();
    assert_eq!(toml::from_str::<CollectConfig>(&text).unwrap(), CollectConfig::default());
}

#[test]
fn a_table_is_read_strictly() {
    let text = "source = \"disk\"\npath = \"data/line\"\npolicies = { walk = 2 }\n[window]\ntime = 17";
    let config: DataConfig = toml::from_str(text).unwrap();
    assert_eq!((config.source, config.window.time, config.policies["walk"]), (SourceKind::Disk, 17, 2.0));
    assert!(toml::from_str::<DataConfig>("sources = \"disk\"").is_err());
    assert!(toml::from_str::<DataConfig>("[window]\ntimes = 3").is_err());
    assert!(toml::from_str::<DataConfig>("source = \"net\"").is_err());
}

#[test]
fn every_value_is_described_in_the_schema() {
    let schema = serde_json::to_value(schemars::schema_for!(DataConfig)).unwrap();
    let properties = schema["properties"].as_object().unwrap();
    assert!(properties.values().all(|property| property["description"].is_string()), "{schema:#}");
    assert_eq!(schema["$defs"]["WindowConfig"]["properties"]["time"]["minimum"], 2);
}

#[test]
fn a_stream_validates_on_other_layouts_than_it_trains_on() {
    let config = DataConfig { window: small(), ..DataConfig::default() };
    let open = |split| config.open(&Line::new(), split, 1).unwrap().batch(0).unwrap();
    assert_eq!(open(Split::Train), open(Split::Train));
    assert_ne!(open(Split::Train), open(Split::Validation));
}

#[test]
fn a_dataset_is_opened_by_its_path_and_prefetched() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line");
    write(&path);
    let config = DataConfig { source: SourceKind::Disk, path: Some(path), window: small(), ..DataConfig::default() };
    let source = config.open(&Line::new(), Split::Train, 1).unwrap();
    let mut prefetch = config.prefetch(source.clone(), 2);
    for index in 2..6 {
        let batch = prefetch.next().unwrap();
        check(&batch, 20);
        assert_eq!(batch, source.batch(index).unwrap());
    }
}

#[test]
fn contradictions_are_refused_with_their_key() {
    let refused = |config: DataConfig| match config.open(&Line::new(), Split::Train, 1).err() {
        Some(DataError::Config { key, .. }) => key,
        other => panic!("{other:?}"),
    };
    let config = DataConfig::default;
    assert_eq!(refused(DataConfig { source: SourceKind::Disk, ..config() }), "data.path");
    assert_eq!(refused(DataConfig { path: Some("data/line".into()), ..config() }), "data.path");
    assert_eq!(refused(DataConfig { prefetch: 0, ..config() }), "data.prefetch");
    assert_eq!(refused(DataConfig { workers: 5000, ..config() }), "data.workers");
}

#[test]
fn sources_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + ?Sized>() {}
    shared::<dyn Source>();
    shared::<gedanken_data::Dataset>();
}
