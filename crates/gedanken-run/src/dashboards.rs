//! TensorBoard's pages beside curves: settings of a run in HParams, and which curves share a chart in Custom Scalars.

use protobuf::well_known_types::Value as Protobuf;
use protobuf::{Message, ProtobufResult, RepeatedField};
use serde_json::Value;
use tensorboard_proto::layout::{Category, Chart as ProtobufChart, Layout, MultilineChartContent};
use tensorboard_proto::plugin_hparams::{HParamsPluginData, SessionStartInfo};
use tensorboard_proto::summary::{Summary_Value, SummaryMetadata, SummaryMetadata_PluginData};
use tensorboard_proto::tensor::TensorProto;
use tensorboard_proto::types::DataType;

use crate::tensorboard::tagged;

/// Curves that share a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chart {
    /// The heading that it stands under.
    pub group: String,
    /// Its title.
    pub title: String,
    /// Regular expressions, Python's, for the beginnings of scalars' names.
    pub curves: Vec<String>,
}

/// A run's settings by dotted key, for the page HParams. Numbers, texts and truth values; other values as JSON, and no nulls.
pub fn settings(settings: &[(String, Value)]) -> ProtobufResult<Summary_Value> {
    let mut start = SessionStartInfo::new();
    for (key, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
        let mut written = Protobuf::new();
        match value {
            Value::Bool(value) => written.set_bool_value(*value),
            Value::String(text) => written.set_string_value(text.clone()),
            value => match value.as_f64() {
                Some(number) => written.set_number_value(number),
                None => written.set_string_value(value.to_string()),
            },
        }
        start.hparams.insert(key.clone(), written);
    }
    let mut data = HParamsPluginData::new();
    data.set_session_start_info(start);
    Ok(of_plugin("_hparams_/session_start_info", "hparams", data.write_to_bytes()?))
}

/// The charts of the page Custom Scalars, in groups, in the order in which these first come.
pub fn layout(charts: &[Chart]) -> ProtobufResult<Summary_Value> {
    let mut categories: Vec<Category> = Vec::new();
    for chart in charts {
        let mut lines = MultilineChartContent::new();
        lines.set_tag(RepeatedField::from_vec(chart.curves.clone()));
        let mut written = ProtobufChart::new();
        written.set_title(chart.title.clone());
        written.set_multiline(lines);
        let known = categories.iter().position(|category| category.get_title() == chart.group);
        let at = known.unwrap_or_else(|| {
            let mut category = Category::new();
            category.set_title(chart.group.clone());
            categories.push(category);
            categories.len() - 1
        });
        categories[at].mut_chart().push(written);
    }
    let mut layout = Layout::new();
    layout.set_category(RepeatedField::from_vec(categories));
    let mut tensor = TensorProto::new();
    tensor.set_dtype(DataType::DT_STRING);
    tensor.set_string_val(RepeatedField::from_vec(vec![layout.write_to_bytes()?]));
    let mut summary = of_plugin("custom_scalars__config__", "custom_scalars", Vec::new());
    summary.set_tensor(tensor);
    Ok(summary)
}

fn of_plugin(tag: &str, name: &str, content: Vec<u8>) -> Summary_Value {
    let mut plugin = SummaryMetadata_PluginData::new();
    plugin.set_plugin_name(name.to_owned());
    plugin.set_content(content);
    let mut metadata = SummaryMetadata::new();
    metadata.set_plugin_data(plugin);
    let mut summary = tagged(tag);
    summary.set_metadata(metadata);
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_told_with_their_types() {
        let told = [("lr", serde_json::json!(0.5)), ("kind", "vit".into()), ("on", true.into()), ("none", Value::Null)];
        let told = told.map(|(key, value)| (key.to_owned(), value));
        let summary = settings(&[&told[..], &[("list".to_owned(), serde_json::json!([1, 2]))]].concat()).unwrap();
        let plugin = summary.get_metadata().get_plugin_data();
        assert_eq!((summary.get_tag(), plugin.get_plugin_name()), ("_hparams_/session_start_info", "hparams"));
        let data: HParamsPluginData = Message::parse_from_bytes(plugin.get_content()).unwrap();
        let found = data.get_session_start_info().get_hparams();
        assert_eq!(found.len(), 4);
        assert_eq!((found["lr"].get_number_value(), found["kind"].get_string_value()), (0.5, "vit"));
        assert!(found["on"].get_bool_value() && found["list"].get_string_value() == "[1,2]");
    }

    #[test]
    fn charts_stand_in_their_groups() {
        let chart = |group: &str, title: &str| Chart {
            group: group.to_owned(),
            title: title.to_owned(),
            curves: vec![format!("{title}/.*")],
        };
        let summary = layout(&[chart("a", "one"), chart("b", "two"), chart("a", "three")]).unwrap();
        assert_eq!(summary.get_metadata().get_plugin_data().get_plugin_name(), "custom_scalars");
        let layout: Layout = Message::parse_from_bytes(&summary.get_tensor().get_string_val()[0]).unwrap();
        let [a, b] = layout.get_category() else { panic!("two groups") };
        let titles: Vec<&str> = a.get_chart().iter().map(ProtobufChart::get_title).collect();
        assert_eq!((a.get_title(), titles, b.get_title()), ("a", vec!["one", "three"], "b"));
        assert_eq!(b.get_chart()[0].get_multiline().get_tag(), ["two/.*"]);
    }
}
