"""A table like the census data set Adult: words, whole numbers, skewed and missing values, dates, a constant."""

import csv
import re
from datetime import date

import numpy as np

HEADER = ["age", "education", "years", "workclass", "hours", "gain", "wage", "sex", "joined", "country", "income"]
YEARS = {"HS-grad": 9, "Some-college": 10, "Bachelors": 13, "Masters": 14}
MISSING = "?"


def adult(n, seed=0):
    """n rows of texts; income depends on age, education and hours, and years on education alone."""
    draws = np.random.default_rng(seed)
    age = np.clip(np.round(draws.gamma(6, 6.5, n)), 17, 90).astype(int)
    education = draws.choice(list(YEARS), n, p=[0.45, 0.25, 0.2, 0.1])
    years = np.array([YEARS[each] for each in education])
    workclass = draws.choice(["Private", "Self-emp, not inc", "State-gov", MISSING], n, p=[0.7, 0.1, 0.14, 0.06])
    hours = np.clip(np.round(draws.normal(40, 10, n)), 1, 99).astype(int)
    gain = np.where(draws.random(n) < 0.9, 0, np.round(np.exp(draws.normal(8, 1, n)))).astype(int)
    wage = np.where(draws.random(n) < 0.1, MISSING, [f"{value:.2f}" for value in draws.gamma(2, 9, n)])
    sex = draws.choice(["Male", "Female"], n, p=[0.67, 0.33])
    joined = np.datetime64("2020-01-01") + draws.integers(0, 700, n)
    income = np.where(years + age / 20 + hours / 20 + draws.normal(0, 1, n) > 15.5, ">50K", "<=50K")
    columns = [age, education, years, workclass, hours, gain, wage, sex, joined, ["US"] * n, income]
    return [list(map(str, row)) for row in zip(*columns, strict=True)]


def write(path, rows, header=HEADER):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path):
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, rows


def invalid(samples, train):
    """Cells of the samples that no row like those of the training split could have, told without the zoo."""
    found = []
    for name, made, real in zip(HEADER, zip(*samples, strict=True), zip(*train, strict=True), strict=True):
        known = {"" if cell == MISSING else cell for cell in real}
        numbers = [float(cell) for cell in known if re.fullmatch(r"-?\d+(\.\d+)?", cell)]
        for cell in made:
            if cell == "":
                right = "" in known
            elif name in ("age", "years", "hours", "gain"):
                right = re.fullmatch(r"\d+", cell) and min(numbers) <= int(cell) <= max(numbers)
            elif name == "wage":
                right = re.fullmatch(r"\d+\.\d{1,2}", cell) and min(numbers) <= float(cell) <= max(numbers)
            elif name == "joined":
                right = min(known) <= date.fromisoformat(cell).isoformat() <= max(known)
            else:
                right = cell in known
            found += [] if right else [(name, cell)]
    return found
