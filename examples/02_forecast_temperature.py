"""An RNN forecasts the temperature of the next hour from the last ten hours.

You will see the training loss fall; then, on hours that the network never saw, its error in degrees
Fahrenheit beside that of repeating the last value; and a picture of five of those days.
The data are NOAA's hourly normals for Seattle-Tacoma airport: what is typical for each hour of the
year, averaged over 30 years and dated 2010, not the weather of one year.
"""

from pathlib import Path

import numpy as np
from matplotlib.dates import DateFormatter, DayLocator
from matplotlib.figure import Figure

import tinygrad_rnn as tg

ROWS, T, H = 8327, 10, 50  # 8,327 hours make 8,317 windows of ten hours


def forecast(rnn, linear, windows):
    """Many-to-one: the next value, from the last state. windows: (B, T, 1). Result: (B, 1)."""
    _, h_n = rnn(windows)
    return linear(h_n[0])


def train(rnn, linear, windows, targets, epochs, rng):
    """Adam on shuffled mini-batches, with ever smaller steps; prints each epoch's mean loss."""
    optimizer = tg.optim.Adam([*rnn.parameters(), *linear.parameters()])
    for epoch in range(epochs):
        optimizer.lr, losses = 0.01 * 0.85**epoch, []
        for x, y in tg.data.batches(windows, targets, batch_size=64, rng=rng):
            loss = tg.mse_loss(forecast(rnn, linear, x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1:2}  mean squared error, standardised {np.mean(losses):.5f}")


def plot(path, hours, truth, forecasts):
    """Truth and forecasts of five days above, the errors of the forecasts below."""
    figure, days = Figure(figsize=(9, 5.5), layout="constrained"), slice(5 * 24)
    above, below = figure.subplots(2, sharex=True, height_ratios=[2, 1])
    above.plot(hours[days], truth[days], color="0.75", linewidth=5, label="hourly normal")
    for (name, values), color in zip(forecasts.items(), ["#E69F00", "#0072B2"], strict=True):
        above.plot(hours[days], values[days], color=color, label=name)
        below.plot(hours[days], (values - truth)[days], color=color)
    above.set(title="Seattle-Tacoma: one hour ahead, on held-out days", ylabel="temperature (°F)")
    above.legend(loc="upper right", ncols=3)
    below.set(xlabel="local time", ylabel="error (°F)")
    below.xaxis.set(major_locator=DayLocator(), major_formatter=DateFormatter("%d %b"))
    figure.savefig(path, dpi=150)


def main(folder="build/demo", epochs=15):
    """Trains on the first 80 % of the windows, forecasts the rest; returns errors and picture."""
    series = tg.data.seattle_temperatures()[:ROWS]
    split = (ROWS - T) * 8 // 10  # windows to train on
    known, truth = series[: split + T], series[split + T :]
    mean, deviation = known.mean(), known.std()
    windows, targets = tg.data.sliding_windows(((series - mean) / deviation).astype("float32"), T)
    rng = np.random.default_rng(0)
    rnn = tg.nn.RNN(1, H, batch_first=True, dtype="float32", rng=rng)
    linear = tg.nn.Linear(H, 1, dtype="float32", rng=rng)
    train(rnn, linear, windows[:split], targets[:split], epochs, rng)
    with tg.no_grad():
        held_out = forecast(rnn, linear, windows[split:]).data * deviation + mean
    forecasts = {"last value": series[split + T - 1 : -1], "RNN": held_out}
    rmse = {name: np.sqrt(np.mean((x - truth) ** 2)) for name, x in forecasts.items()}
    print(f"RMSE on {len(truth)} held-out hours, later than all that were trained on:")
    print(*(f"  {name:10} {error:.3f} °F" for name, error in rmse.items()), sep="\n")
    picture = Path(folder, "02_forecast.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    plot(picture, tg.data.seattle_hours()[split + T : ROWS], truth, forecasts)
    print(f"The picture is {picture}")
    return {"rmse": rmse, "picture": picture}


if __name__ == "__main__":
    main()
