//! The plots, as SVG.
//!
//! One canvas for all: a line with points for each series, a legend, and axes whose steps are equal
//! differences or equal factors. Colours are those that people with any sight tell apart (Okabe and
//! Ito's), and repeat with another size of points after eight.

use std::path::Path;

use allocdb_compare::report::{Plot, Series, shown};
use plotters::chart::ChartContext;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::job::Failure;

const SIZE: (u32, u32) = (960, 600);
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 0, 0),
    RGBColor(230, 159, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(120, 120, 120),
];

/// Draws one into a file.
pub(crate) fn draw(plot: &Plot, path: &Path) -> Result<(), Failure> {
    let points = plot.series.iter().flat_map(|series| &series.points);
    let xs = bounds(points.clone().map(|point| point.0), plot.log_x);
    let ys = bounds(points.map(|point| point.1), plot.log_y);
    let (x, y) = (xs.0..xs.1, ys.0..ys.1);
    match (plot.log_x, plot.log_y) {
        (false, false) => axes(plot, path, x, y),
        (true, false) => axes(plot, path, x.log_scale(), y),
        (false, true) => axes(plot, path, x, y.log_scale()),
        (true, true) => axes(plot, path, x.log_scale(), y.log_scale()),
    }
}

/// From the least to the greatest, with some room; from 0 where steps are differences.
fn bounds(values: impl Iterator<Item = f64>, is_log: bool) -> (f64, f64) {
    let fits = values.filter(|&value| !is_log || value > 0.0);
    let (least, greatest) = fits.fold((f64::INFINITY, 0.0_f64), |(least, greatest), value| {
        (least.min(value), greatest.max(value))
    });
    if greatest <= 0.0 {
        return if is_log { (1.0, 10.0) } else { (0.0, 1.0) };
    }
    if is_log {
        (least / 1.2, greatest * 1.2)
    } else {
        (0.0, greatest * 1.05)
    }
}

fn axes<X, Y>(plot: &Plot, path: &Path, x: X, y: Y) -> Result<(), Failure>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&plot.name, ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(88)
        .build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(&plot.x_label)
        .y_desc(&plot.y_label)
        .x_label_formatter(&|value| shown(*value))
        .y_label_formatter(&|value| shown(*value))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (index, series) in plot.series.iter().enumerate() {
        line(&mut chart, series, index)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    area.present()?;
    Ok(())
}

fn line<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    series: &Series,
    index: usize,
) -> Result<(), Failure>
where
    X: Ranged<ValueType = f64>,
    Y: Ranged<ValueType = f64>,
{
    let colour = COLOURS[index % COLOURS.len()];
    let size = if index < COLOURS.len() { 3 } else { 5 };
    let points = series.points.iter().copied();
    chart
        .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
        .label(&series.name)
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    chart.draw_series(points.map(|point| Circle::new(point, size, colour.filled())))?;
    Ok(())
}
