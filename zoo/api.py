"""The Python interface: `zoo.train()`, `zoo.compare()` and the others, each a method of a `Registry`.

Imports neither torch nor pydantic before a function is called.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from zoo.contestant import Contestant, as_texts, parse_contestant
from zoo.contract.hookspecs import GROUPS, MODELS
from zoo.errors import ConfigError, did_you_mean
from zoo.files.paths import as_path
from zoo.plugins.catalogue import Entry
from zoo.plugins.registry import PluginRegistry
from zoo.scalars import plain

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from distributed import Client

    from zoo.comparison.result import Comparison
    from zoo.comparison.schedule import OnEvent
    from zoo.comparison.several import Comparisons
    from zoo.comparison.tune import TuningResult
    from zoo.data.dataset import Data
    from zoo.exchange.export import Export
    from zoo.models.model import Model
    from zoo.report.show import Picture
    from zoo.training.meter import Progress


class Registry(PluginRegistry):
    """An isolated set of plugins, and the functions that use them: `registry.train(...)` and so on.

    The functions of the module `zoo` (`zoo.train`, `zoo.compare`, …) are the methods of one shared default registry.
    The constructor's arguments are those of `zoo.plugins.registry.PluginRegistry`, all of them optional.
    """

    def info(self, name: str) -> dict[str, Any]:
        """Return the description of a plugin, a run or a comparison as plain values.

        An installed plugin is imported; nothing else is.

        Args:
            name: name of a plugin of any group, installed or in the catalogue; a model comes first. Or the path of a
                run or comparison.

        Raises:
            ConfigError: for an unknown name.
            PluginError: if the plugin is blocked, incompatible or broken.
        """
        if not isinstance(name, str | PathLike):
            raise ConfigError(
                f"name must be the name of a plugin or the path of a run or comparison, got {name!r:.80}."
            )
        name = str(name)
        for group in GROUPS:
            if self.is_registered(name, group) or self._named(name, group):
                return self._described(name, group)
            if entry := self.catalogue.find(name, group):
                return _catalogue_info(entry)
        if Path(name).is_dir():
            from zoo.comparison.runs import describe

            if listed := describe(Path(name)):
                return {key: str(value) if key == "path" else value for key, value in vars(listed).items()}
        names = {each for group in GROUPS for each in self.names(group)} | {
            each.name for each in self.catalogue.entries
        }
        raise ConfigError(
            f"No plugin or run named {name!r}.{did_you_mean(name, names)} 'zoo plugins' lists what is installed, "
            "'zoo search' the catalogue, and 'zoo runs' the runs."
        )

    def _described(self, name: str, group: str) -> dict[str, Any]:
        """Return the facts of an installed or registered plugin."""
        plugin = self.plugin(name, group)
        if group in MODELS:
            from zoo.plugins.describe import describe_model

            return describe_model(plugin, self.catalogue.find(plugin.card.name, group))
        facts = dict(vars(plugin.card))
        limits = {"limits": list(facts.pop("limits"))} if "limits" in facts else {}
        return facts | {"plugin": plugin.qualified, "version": plugin.version} | limits

    def create(self, contestant: str, data: Any = "digits", *, seed: int = 0, **config: Any) -> Model:
        """Build an untrained model for a data set.

        Args:
            contestant: `NAME[:KEY=VALUE,…]`, for example `vae:latent_dim=8`. A latent density (`@gmm`) is not possible
                here, because it is fitted to a trained model.
            data: a name, path, array, tensor or `zoo.Data`, as for `zoo.load_data`; or a `zoo.DataSpec`.
            seed: seed of the initial weights.
            **config: further settings of the model, which take precedence over those in `contestant`. A setting named
                `data` or `seed` can only be given in `contestant`.

        Raises:
            ConfigError, PluginError, DataError: for invalid arguments.
        """
        from zoo.contract.data_spec import DataSpec
        from zoo.data.load import load_data
        from zoo.training.train import create

        parsed = _contestant(contestant, config)
        return create(self, parsed, data if isinstance(data, DataSpec) else load_data(data, self), seed)

    def train(
        self,
        contestant: str,
        data: Any = "digits",
        *,
        seed: int = 0,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        folder: str | Path | None = None,
        weights: str | Path | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        device: str = "cpu",
        threads: int = 1,
        track: str | Iterable[str] = (),
        progress: bool | Progress | None = None,
        **config: Any,
    ) -> Model:
        """Train a model, fit its latent density if it has one, and return it.

        Args:
            contestant: `NAME[@DENSITY][:KEY=VALUE,…]`, for example `vae@gmm:latent_dim=8,train.learning_rate=0.002`.
            data: a name, path, array, tensor or `zoo.Data`, as for `zoo.load_data`.
            seed: seed of the initial weights and of all random draws of the training.
            epochs, steps, seconds: the training budget, at most one of the three; by default the data set's number of
                epochs.
            folder: run folder for `model.safetensors`, `metrics.jsonl`, `run.json` and checkpoints, from which
                `zoo.resume` continues; None writes nothing.
            weights: run folder or model file with whose weights the training starts, instead of random ones. It must be
                of the same model, with the same settings of the model and data of the same shape; settings of the
                training, and those that the model's card names as its objective, may differ. Its optimiser's state is
                not used.
            save_every: seconds between two checkpoints, 0 or more; 0 saves after every step.
            keep: number of checkpoints to keep, 1 or more.
            device: device on which the model is trained and stays: `cpu`, `cuda`, `cuda:1` for the second GPU, `mps`
                for the GPU of a Mac, or `auto` for the first of cuda, mps and cpu.
            threads: threads on which torch computes. Results depend on the number in their last digits. Where other
                processes are busy, set OMP_WAIT_POLICY=PASSIVE before torch is imported.
            track: names of trackers, plugins of `zoo.trackers`, to log the run with ("tensorboard"). A tracker that
                fails costs a `TrackerWarning`.
            progress: None shows a progress bar on a terminal and in a notebook, True always shows progress (as lines
                on standard error where a bar cannot be drawn), False never. A function is called instead with the
                `zoo.training.log.Report` of each epoch, and about twice a second within long epochs.
            **config: further settings of the model, which take precedence over those in `contestant`. A setting that
                has the name of an argument above (`data`, `seed`, `device`, `keep`, …) can only be given in
                `contestant`: `zoo.train("my-model:keep=3")`.

        Returns:
            The trained model, on `device`.

        Raises:
            ConfigError, PluginError, DataError: for invalid arguments, before any training.
            CheckpointError: if the file of `weights` is missing or damaged.
            DivergedError: if a loss or a weight is not finite.
            KeyboardInterrupt: after Ctrl-C or SIGTERM; if there is a folder, a checkpoint is saved first.
        """
        from zoo.training.names import check_names

        chosen = _contestant(contestant, config)
        check_names(self, [chosen], data)
        from zoo.report.progress import training_progress
        from zoo.tracking.trackers import find_trackers
        from zoo.tracking.training import train_tracked
        from zoo.training.budget import TrainingBudget
        from zoo.training.checkpoints import CheckpointPolicy
        from zoo.training.train import plan

        trackers = find_trackers(self, track)
        job = plan(
            self,
            chosen,
            data,
            seed=seed,
            budget=TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds),
            folder=None if folder is None else as_path(folder, "folder"),
            checkpoints=CheckpointPolicy(save_every, keep),
            device=device,
            weights=None if weights is None else as_path(weights, "weights"),
            threads=threads,
        )
        with training_progress(progress) as report:
            return train_tracked(trackers, job, report)

    def resume(
        self,
        run: str | Path,
        *,
        contestant: str | None = None,
        data: Any = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        save_every: float = 30.0,
        keep: int = 2,
        allow_changes: bool = False,
        device: str | None = None,
        threads: int | None = None,
        track: str | Iterable[str] = (),
        progress: bool | Progress | None = None,
    ) -> Model:
        """Resume a training from its run folder and return the model, bit-identical to that of an uninterrupted run.

        A run without a checkpoint starts again at its first step, and so does an unfinished run of a plugin with its
        own `fit`. The model of a finished one is returned as it is.

        Args:
            run: the run folder, or one of its checkpoint files.
            contestant, data, epochs, steps, seconds, device, threads: replace what the run was started with; None keeps
                it. The budget is the total, including what is already done. Data that were an array must be given
                again.
            save_every, keep, track, progress: as for `zoo.train`.
            allow_changes: resume even if data, settings, versions or number of threads differ from the checkpoint's.

        Raises:
            CheckpointError: if there is no run, its checkpoint is damaged, or it differs and `allow_changes` is False.
            ConfigError, PluginError, DataError, DivergedError, KeyboardInterrupt: as for `zoo.train`.
        """
        from zoo.report.progress import training_progress
        from zoo.tracking.trackers import find_trackers
        from zoo.tracking.training import train_tracked
        from zoo.training.budget import TrainingBudget
        from zoo.training.checkpoints import CheckpointPolicy
        from zoo.training.resume import RunRecord, plan_resumed

        trackers = find_trackers(self, track)
        job = plan_resumed(
            self,
            RunRecord.read(as_path(run, "run")),
            contestant=None if contestant is None else parse_contestant(contestant),
            data=data,
            budget=TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds),
            checkpoints=CheckpointPolicy(save_every, keep, allow_changes=allow_changes),
            device=device,
            threads=threads,
        )
        with training_progress(progress) as report:
            return train_tracked(trackers, job, report)

    def load(self, path: str | Path, *, device: str = "cpu") -> Model:
        """Load a trained model from a run folder, a `.safetensors` file, a hub or another address.

        Args:
            path: a run folder, a folder with one model file, or a model file; or what `push` returned:
                `hub:USER/NAME@COMMIT`, or `PROTOCOL://PATH`.
            device: device on which the model is put: `cpu`, `cuda`, `cuda:1` for the second GPU, `mps` for the GPU of
                a Mac, or `auto` for the first of cuda, mps and cpu.

        Raises:
            CheckpointError: if the file is missing, damaged, cannot be downloaded, or does not fit the installed
                plugin.
            ConfigError: if the model's plugin or the library for the address is not installed, for a hub's repository
                without a commit, or if the device does not exist.
            PluginError: if the plugin is blocked, incompatible or broken.
        """
        from zoo.files.addresses import is_remote
        from zoo.models.checkpoint import load_model

        if is_remote(address := _address(path, "path")):
            from zoo.exchange.remote import load_remote

            return load_remote(address, self, device)

        return load_model(as_path(path, "path"), self, device)

    def push(self, run: str | Path, destination: str | Path, results: str | Path | None = None) -> str:
        """Write a model file with a model card to a hub, a folder or an address; return what `load` takes.

        Args:
            run: a run folder or model file.
            destination: `hub:USER/NAME`, whose credentials are those of huggingface_hub; a folder; or `PROTOCOL://PATH`
                of fsspec.
            results: a comparison or evaluation whose figures of the model the card shows; None takes the comparison
                that the run is part of, if any.

        Raises:
            CheckpointError: if the run is missing or damaged, or `results` has no row of it.
            ConfigError: for an invalid destination, or without the library that it needs.
            ZooError: if the destination cannot be written; no half file is left there.
        """
        from zoo.exchange.remote import push

        return push(
            as_path(run, "run"),
            _address(destination, "destination"),
            self,
            None if results is None else as_path(results, "results"),
        )

    def export(self, model: Model | str | Path, folder: str | Path, form: Literal["onnx", "torch"] = "onnx") -> Export:
        """Write a trained model as programs that run without genzoo: `encode`, `decode`, and `sample` from noise.

        Each program is compared with the model on 100 inputs before it is written; `zoo.exchange.export` describes the
        programs, and `export.json` in the folder lists their inputs.

        Args:
            model: a model, or the path of one as for `zoo.load`. Its sampling options are fixed in the programs.
            folder: created if missing; files of the same names are replaced.
            form: `onnx`, which needs genzoo[onnx], or `torch`, for `torch.export.load`.

        Returns:
            The programs that were written, and why others were not.

        Raises:
            Unsupported: if none of them can be exported; the message gives the reasons.
            ConfigError: for another form, or if the libraries of genzoo[onnx] are not installed.
            CheckpointError, PluginError, ConfigError: as for `zoo.load`.
        """
        from zoo.exchange.export import export_model

        given = self.load(model) if isinstance(model, str | Path) else model
        return export_model(given, as_path(folder, "folder"), form)

    def compare(
        self,
        contestants: str | Iterable[str] = (),
        data: Any = None,
        *,
        seeds: int | Iterable[int] | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        full: bool = False,
        quick: bool = False,
        controls: bool = False,
        n: int | None = None,
        device: str = "cpu",
        features: str = "",
        metrics: Iterable[str] = (),
        over_epochs: Iterable[int] | None = None,
        tune: int = 0,
        measure: str = "kernel",
        out: str | Path = "runs",
        jobs: int | None = None,
        method: Literal["fork", "spawn"] | None = None,
        timeout: float | None = None,
        executor: Executor | Client | str | None = None,
        save_every: float = 30.0,
        resume: str | Path | None = None,
        allow_changes: bool = False,
        experiment: str | Path | None = None,
        save: str | Path | None = None,
        track: str | Iterable[str] = (),
        progress: bool | None = None,
        on_event: OnEvent | None = None,
    ) -> Comparison:
        """Train each contestant with each seed, and measure how well it generates.

        Args:
            contestants: one contestant or several. `NAME[@DENSITY][:KEY=VALUE,…]` is trained; a finished run
                (`PATH[:sample.KEY=VALUE,…]`) and samples from elsewhere (`samples:FILE`) are only measured. Several
                values of a setting, `vae:beta=0.5|1|4`, are as many contestants. Empty takes the catalogue's default.
            data: a name, path, array, tensor or `zoo.Data`, as for `zoo.load_data`; None takes the data of the finished
                runs among the contestants, or the catalogue's default.
            seeds: number of training seeds (0, 1, …), or the seeds themselves; None takes the catalogue's default, and
                at least 5 with `full`.
            epochs, steps, seconds: the training budget of each contestant, at most one of the three; by default the
                data set's number of epochs.
            full: add all metrics, the catalogue's control rows, and the sensitivity to the settings that each model's
                card names; needs at least 5 seeds.
            quick: one seed and 20 epochs where `seeds` and the budget are not given: a first look, not a result.
            controls: add the catalogue's control rows.
            n: number of test examples that everybody is compared with, the first of the test split; None takes all. A
                file of samples needs as many samples.
            device: device on which models are trained and sampled: `cpu`, `cuda`, `cuda:1`, `mps` or `auto`; all
                processes share it.
                Metrics are always computed on the CPU.
            features: name of the feature space in which samples are compared, a plugin of `zoo.features`; "" takes a
                classifier of the labels, or principal components for data without labels.
            metrics: names of the metrics, in the order of the columns; () takes those of every comparison, and with
                `full` all that are installed.
            over_epochs: epochs after which each training is measured as well, such as (5, 20, 100), to show how well it
                generates over training. The last is the budget, so no other is given. A model with its own `fit` is
                measured at its end only.
            tune: number of trials with which the settings in the card's `search` are chosen for each contestant that is
                trained, its defaults included; 0 for none. Each trial has the budget of a training, and is measured on
                the validation split. The table has both rows, the defaults and the choice, and
                `results["protocol"]["tuning"]` what the choice was made from. Needs genzoo[tune].
            measure: what chooses in tuning: `kernel`, the kernel distance of samples to the validation images, or
                `likelihood`, the log-likelihood of the validation split, for contestants that have one.
            out: folder in which a new folder is made for the comparison.
            jobs: number of jobs at a time; None takes the executor's number, or one per CPU core.
            method: how processes are started; None takes `fork` on Linux and `spawn` elsewhere.
            timeout: seconds after which an attempt at a cell is stopped. A cell that was stopped or whose process died
                is tried again from its last checkpoint, at most twice.
            executor: runs the jobs, and stays open; it excludes `method`. A `distributed.Client`, its `get_executor()`,
                or the address of a Dask scheduler ("dask://HOST:PORT"), runs the cells on a cluster; "dask-local:4" on
                4 local workers. Any other executor from outside the zoo provides no log files, no progress within a
                job and no time limit. None starts and ends separate processes.
            save_every: seconds between two checkpoints of a training.
            resume: folder of a comparison to resume after an interruption or failed cells. Finished cells are kept.
                Only `data` that were an array must be given again.
            allow_changes: resume even if versions or settings differ from those at the start.
            experiment: a TOML file with arguments of this function as keys, from `contestants` to `over_epochs`, and
                `jobs`, `method` and `timeout`, which may also be given beside it. The folder of every comparison of
                named data has one, `experiment.toml`, that repeats the comparison.
            save: path to which the experiment is written as well, before anything is trained.
            track: trackers, as for `zoo.train`; each cell is a run.
            progress: None shows progress bars on a terminal and in a notebook, True always shows progress (as lines on
                standard error where bars cannot be drawn), False never.
            on_event: called as `on_event(job, event)` with each event of a job, with the number of cells
                (`{"cells": total, "done": number}`), with the estimated time of a full comparison
                (`{"estimate": seconds}`), with the results of the first seed (`{"provisional": Results}`) once every
                row has them, and with a warning (`{"warning": text}`) if the report could not be written; the results
                are complete all the same.

        Returns:
            The comparison; its folder contains `results.json`, `report.html`, tables, and the trained models.

        Raises:
            ConfigError, PluginError, DataError, CheckpointError: for invalid arguments, before any training.
            KeyboardInterrupt: after Ctrl-C or SIGTERM, once the trainings have saved their checkpoints.
        """
        from zoo.comparison.run import compare
        from zoo.report.progress import comparison_progress
        from zoo.tracking.comparison import tracked_comparison
        from zoo.tracking.trackers import find_trackers

        trackers = find_trackers(self, track)
        with comparison_progress(progress, on_event) as shown, tracked_comparison(trackers, shown) as listening:
            return compare(
                self,
                as_texts(contestants),
                data,
                seeds=seeds,
                epochs=epochs,
                steps=steps,
                seconds=seconds,
                full=full,
                quick=quick,
                controls=controls,
                n=n,
                device=device,
                features=features,
                metrics=metrics,
                over_epochs=over_epochs,
                tune=tune,
                measure=measure,
                out=out,
                jobs=jobs,
                method=method,
                timeout=timeout,
                executor=executor,
                save_every=save_every,
                resume=resume,
                allow_changes=allow_changes,
                experiment=experiment,
                save=save,
                on_event=listening,
            )

    def compare_each(
        self,
        experiment: str | Path | Mapping[str, Any] | None = None,
        *,
        out: str | Path = "runs",
        executor: Executor | Client | str | None = None,
        save_every: float = 30.0,
        resume: str | Path | None = None,
        allow_changes: bool = False,
        track: str | Iterable[str] = (),
        progress: bool | None = None,
        on_event: OnEvent | None = None,
    ) -> Comparisons:
        """Compare the same contestants on several data sets, and rank them over all of these.

        Args:
            experiment: a TOML file, or its keys as a mapping:
                `{"contestants": ["rbm", "vae"], "data": ["digits", "rings"], "seeds": 3}`. The keys are arguments of
                `compare`, and `data` is a list of names and paths.
            resume: folder of such a comparison to resume, instead of an experiment.
            out, executor, save_every, allow_changes, track, progress, on_event: as for `compare`.

        Returns:
            A comparison for each data set, and mean ranks and wins over them, with Nemenyi's critical difference from
            five data sets on. A data set that fails is named in `errors`, and does not end the others.

        Raises:
            ConfigError: for invalid keys, or if there is only one data set.
            ZooError: if every data set fails.
            KeyboardInterrupt: as for `compare`.
        """
        from zoo.comparison.experiment import Experiment
        from zoo.comparison.several import compare_each
        from zoo.report.progress import comparison_progress
        from zoo.tracking.comparison import tracked_comparison
        from zoo.tracking.trackers import find_trackers

        if (experiment is None) == (resume is None):
            raise ConfigError("Give either an experiment or the folder of one to resume.")
        asked = None
        if isinstance(experiment, Mapping):
            asked = Experiment.parse(experiment, "the experiment")
        elif experiment is not None:
            asked = Experiment.read(as_path(experiment, "experiment"))
        trackers = find_trackers(self, track)
        with comparison_progress(progress, on_event) as shown, tracked_comparison(trackers, shown) as listening:
            return compare_each(
                self,
                asked,
                out=as_path(out, "out"),
                resume=None if resume is None else as_path(resume, "resume"),
                allow_changes=allow_changes,
                executor=executor,
                save_every=save_every,
                on_event=listening,
            )

    def tune(
        self,
        contestants: str | Iterable[str] = (),
        data: Any = None,
        *,
        trials: int = 20,
        measure: str = "kernel",
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        device: str = "cpu",
        features: str = "",
        out: str | Path = "runs",
        jobs: int | None = None,
        method: Literal["fork", "spawn"] | None = None,
        timeout: float | None = None,
        executor: Executor | Client | str | None = None,
        resume: str | Path | None = None,
        allow_changes: bool = False,
        progress: bool | None = None,
        on_event: OnEvent | None = None,
    ) -> TuningResult:
        """Choose the settings of contestants on the validation split; the test split is not read.

        The settings are those in the card's `search`, except those that the contestant sets. Trial 0 has the defaults.
        Needs genzoo[tune].

        Args:
            contestants: one contestant or several, as for `compare`.
            data: as for `compare`; None takes the catalogue's default.
            trials: number for each contestant, its defaults included.
            measure: `kernel`, the kernel distance of samples to the validation images, or `likelihood`, the
                log-likelihood of the validation split, for contestants that have one.
            epochs, steps, seconds: the budget of each trial, at most one of the three; by default the data set's number
                of epochs.
            device, features, out, jobs, method, timeout, executor, allow_changes, progress, on_event: as for `compare`.
            resume: folder of a tuning to resume; only the trials that were running are repeated.

        Returns:
            The choice: `result.best["vae"]` is a contestant for `zoo.train`, and `print(result)` shows the trials.
            `zoo.compare(resume=result.path)` compares the defaults and the choice on the test split.

        Raises:
            ConfigError, PluginError, DataError, CheckpointError: for invalid arguments, before any training.
        """
        from zoo.comparison.tune import tune
        from zoo.report.progress import comparison_progress
        from zoo.training.budget import TrainingBudget

        with comparison_progress(progress, on_event) as shown:
            return tune(
                self,
                contestants,
                data,
                trials=trials,
                measure=measure,
                budget=TrainingBudget.choose(epochs=epochs, steps=steps, seconds=seconds),
                device=device,
                features=features,
                out=as_path(out, "out"),
                jobs=jobs,
                method=method,
                timeout=timeout,
                executor=executor,
                resume=None if resume is None else as_path(resume, "resume"),
                allow_changes=allow_changes,
                on_event=shown,
            )

    def evaluate(
        self,
        source: str | Path,
        data: Any = None,
        *,
        seeds: int | Iterable[int] | None = None,
        epochs: float | None = None,
        steps: int | None = None,
        seconds: float | None = None,
        full: bool = False,
        n: int | None = None,
        features: str = "",
        device: str = "cpu",
        out: str | Path = "runs",
        jobs: int | None = None,
        method: Literal["fork", "spawn"] | None = None,
        timeout: float | None = None,
        executor: Executor | Client | str | None = None,
        save_every: float = 30.0,
        track: str | Iterable[str] = (),
        progress: bool | None = None,
        on_event: OnEvent | None = None,
    ) -> Comparison:
        """Measure a finished run, or samples from elsewhere, without training it, beside real images.

        Args:
            source: a run folder or model file, with options of sampling and likelihood where they differ from the run's
                (`runs/vae-digits-1:sample.k=5000`); or `samples:FILE`.
            data: as for `zoo.compare`; None takes the data that the run was trained on. A path without options is read
                with those of the run.
            seeds: as for `zoo.compare`; a run is sampled and measured once per seed.
            full: add all metrics and the catalogue's control rows, which are trained.
            n: as for `zoo.compare`.
            epochs, steps, seconds: the training budget of the control rows.
            features, device, out, jobs, method, timeout, executor, save_every, track, progress, on_event: as for
                `zoo.compare`.

        Raises:
            ConfigError: for samples without `data`, and for invalid arguments.
            CheckpointError: if the run is damaged or was trained on other data.
            PluginError, DataError, KeyboardInterrupt: as for `zoo.compare`.
        """
        from zoo.comparison.run import compare, evaluated
        from zoo.report.progress import comparison_progress
        from zoo.tracking.comparison import tracked_comparison
        from zoo.tracking.trackers import find_trackers

        trackers = find_trackers(self, track)
        with comparison_progress(progress, on_event) as shown, tracked_comparison(trackers, shown) as listening:
            return compare(
                self,
                *evaluated(self, source, data),
                seeds=seeds,
                epochs=epochs,
                steps=steps,
                seconds=seconds,
                full=full,
                n=n,
                features=features,
                device=device,
                out=out,
                jobs=jobs,
                method=method,
                timeout=timeout,
                executor=executor,
                save_every=save_every,
                on_event=listening,
            )

    def plot(self, what: Any, kind: str = "samples", data: Any = None, *, seed: int = 0) -> Picture:
        """Return a picture of a model, a run or a comparison; a notebook shows it, and `picture.save(path)` writes it.

        Args:
            what: a `zoo.Model`, a `zoo.Comparison`, or the path of a run, model file or comparison.
            kind: `curves` (losses by epoch; of a run or comparison), `samples`, `reconstructions`, `interpolation`,
                `path` (samples on their way from noise), or `codes` (of test images by class, drawn ones over them).
            data: as for `zoo.load_data`, for a model; None takes the data set that a run was trained on.
            seed: seed of the samples and of the codes.

        Raises:
            ConfigError: for an unknown kind, or if it is unknown which data to show.
            Unsupported: if the model or the data have no such picture.
            CheckpointError: if a file is missing or damaged.
        """
        from zoo.comparison.plotting import plotted

        return plotted(self, what, kind, data, seed=seed)

    def merge(self, folders: Iterable[str | Path], out: str | Path) -> Comparison:
        """Merge finished comparisons into one in a new folder, with standings computed anew.

        Args:
            folders: at least two, of different names. They must agree in the data, the reference images, the features,
                the metrics and the number of samples; other differences are recorded in `protocol.changes`. A row that
                two have becomes one with the seeds of both if its settings and budget agree and no seed was measured
                differently; otherwise it is named after its folder, `vae [theirs]`.
            out: the new folder.

        Raises:
            CheckpointError: if a folder has no valid results.
            ConfigError: for comparisons that were measured differently; the message names every difference.
        """
        from zoo.exchange.merge import merge_folders

        if isinstance(folders, str) or not isinstance(folders, Iterable):
            raise ConfigError(f"folders must be a list of at least two folders, got {folders!r:.80}.")
        return merge_folders([as_path(each, "a folder to merge") for each in folders], as_path(out, "out"))


def _contestant(text: str, config: Mapping[str, Any]) -> Contestant:
    """Parse a contestant and add further settings of the model, which take precedence over those in the text."""
    parsed = parse_contestant(text)
    parsed.config.update(plain(dict(config)))
    return parsed


def _address(given: str | Path, name: str) -> str:
    """Return a path or an address, `PROTOCOL://PATH`, as text; refuse anything else."""
    return given if isinstance(given, str) else str(as_path(given, name))


def _catalogue_info(entry: Entry) -> dict[str, Any]:
    hidden = ("group", "entry_point", "releases")
    facts = {
        key: ", ".join(value) if isinstance(value, list) else value
        for key, value in vars(entry).items()
        if key not in hidden
    }
    return facts | {"status": "available", "install": f"zoo install {entry.name}"}


def load_data(data: Any, *, registry: PluginRegistry | None = None) -> Data:
    """Return `data` as a `zoo.Data`.

    Args:
        data: a registered name, `"digits"` or `"bars-and-stripes:3"`; a path, `"PATH"` or `"PATH:KEY=VALUE,…"`, of a
            file of a common format or a folder of images (`zoo.data.options` documents the keys); an array, tensor,
            list or sparse matrix of shape (N, *shape), N at least 10, a DataFrame, a `TensorDataset` or a pair of x and
            labels, which `zoo.Data.from_arrays` splits; or a `zoo.Data`, which is returned unchanged.
        registry: registry in which names are looked up; None takes the default one.

    Raises:
        ConfigError: for an unknown name or invalid keys.
        DataError: for data that cannot be read or used.
    """
    from zoo.data.load import load_data

    return load_data(data, default if registry is None else registry)


default = Registry()

list_models = default.list_models
info = default.info
create = default.create
train = default.train
resume = default.resume
load = default.load
export = default.export
push = default.push
merge = default.merge
compare = default.compare
compare_each = default.compare_each
tune = default.tune
evaluate = default.evaluate
plot = default.plot
register = default.register
refresh = default.refresh
