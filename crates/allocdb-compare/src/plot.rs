//! The plots, as SVG.
//!
//! One canvas for all: a line with points for each series, a legend beside it where it hides
//! nothing, and axes whose steps are equal differences or equal factors. Colours are those that
//! people with any sight tell apart (Okabe and Ito's); after eight they repeat, and the lines are
//! dashed.

use std::path::Path;

use allocdb_compare::report::{Plot, Series, shown};
use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::prelude::*;

use crate::job::Failure;

const SIZE: (u32, u32) = (1280, 600);
const LEGEND_LEFT: i32 = 860;
const LEGEND_LINE: i32 = 22;
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
    let (left, right) = area.split_horizontally(LEGEND_LEFT);
    let mut chart = ChartBuilder::on(&left)
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
        .x_label_formatter(&|value| tick(*value, plot.log_x))
        .y_label_formatter(&|value| tick(*value, plot.log_y))
        .label_style(("sans-serif", 14))
        .draw()?;
    for (index, series) in plot.series.iter().enumerate() {
        line(&mut chart, series, index)?;
        legend(&right, series, index)?;
    }
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
    let style = style(index);
    let points = series.points.iter().copied();
    if is_dashed(index) {
        chart.draw_series(DashedLineSeries::new(
            points.clone(),
            6,
            5,
            style.stroke_width(2),
        ))?;
    } else {
        chart.draw_series(LineSeries::new(points.clone(), style.stroke_width(2)))?;
    }
    chart.draw_series(points.map(|point| Circle::new(point, 3, style.filled())))?;
    Ok(())
}

fn legend(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    series: &Series,
    index: usize,
) -> Result<(), Failure> {
    let y = 60 + LEGEND_LINE * i32::try_from(index)?;
    let style = style(index);
    // A gap in the middle stands for dashes.
    let ends = if is_dashed(index) {
        [(0, 9), (15, 24)]
    } else {
        [(0, 12), (12, 24)]
    };
    for (from, to) in ends {
        area.draw(&PathElement::new(
            [(from, y), (to, y)],
            style.stroke_width(2),
        ))?;
    }
    area.draw(&Circle::new((12, y), 3, style.filled()))?;
    area.draw(&Text::new(
        series.name.clone(),
        (32, y - 6),
        ("sans-serif", 13),
    ))?;
    Ok(())
}

const fn style(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()]
}

const fn is_dashed(index: usize) -> bool {
    index >= COLOURS.len()
}

/// A tick's label; of factors only those of 1, 2 and 5 have one, or they would run into each other.
fn tick(value: f64, is_log: bool) -> String {
    let text = shown(value);
    let short = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    let leading = short
        .trim_start_matches(['0', '.'])
        .trim_end_matches(['0', ',', '.']);
    if is_log && !matches!(leading, "1" | "2" | "5") {
        return String::new();
    }
    short.to_owned()
}
