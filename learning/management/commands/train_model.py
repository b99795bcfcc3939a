import signal
import time
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.refusals import WrongState
from inference.models import ModelVersion
from learning.comparison.requests import compare_next
from learning.models import Dataset, Method, TrainingRun, TrainingStatus
from learning.training.recipes import NETWORK
from learning.training.request import TrainingPlan, parent_in_service, plan_training, request_training
from learning.training.run import train_next

SECONDS_BETWEEN_LOOKS = 1.0
NUMBERS = {"epochs": int, "batch": int, "rate": float, "seed": int}


class Command(BaseCommand):
    help = (
        "Trains a new model on a frozen data set, from the model in service or from scratch, and has it compared with "
        "the model in service. A training worker does it, unless --wait does it here."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dataset", type=int, metavar="ID", help="the data set (the newest)")
        parser.add_argument(
            "--method", choices=Method.values, default=Method.HEAD, help="head: the last layer; finetune: the network"
        )
        parser.add_argument("--from-scratch", action="store_true", help="do not start from the model in service")
        parser.add_argument("--no-replay", action="store_true", help="learn from the portal's own cases alone")
        parser.add_argument("--plan", action="store_true", help="say what it would use and take; start nothing")
        parser.add_argument("--again", action="store_true", help="even if an earlier run was the same")
        parser.add_argument("--wait", action="store_true", help="do it here and show how far it is")
        for name, kind in NUMBERS.items():
            parser.add_argument(f"--{name}", type=kind)
        for option in NETWORK:
            kind = type(option.default)
            parser.add_argument(f"--{option.name}", type=kind, choices=option.choices or None, help="from scratch only")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            asked = self._asked(options)
            plan = plan_training(user=None, **asked)
            self._tell(plan, asked["dataset"])
            if options["plan"]:
                return
            run = request_training(user=None, again=options["again"], **asked)
        except WrongState as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{run} is queued.")
        if options["wait"]:
            self._see_through(run)

    def _asked(self, options: dict[str, Any]) -> dict[str, Any]:
        names = [*NUMBERS, *(option.name for option in NETWORK)]
        settings = {name: options[name] for name in names if options.get(name) is not None}
        if options["no_replay"]:
            settings["replay"] = False
        return {
            "dataset": _dataset(options["dataset"]),
            "method": options["method"],
            "parent": None if options["from_scratch"] else parent_in_service(),
            "settings": settings,
        }

    def _tell(self, plan: TrainingPlan, dataset: Dataset) -> None:
        self.stdout.write(
            f"{dataset}: {plan.images} images of {plan.patients} patients to learn from "
            f"({plan.covid} with COVID-19, {plan.non_covid} without), {plan.test_patients} patients to test on."
        )
        self.stdout.write(f"Settings: {', '.join(f'{key} {value}' for key, value in plan.settings.items())}.")
        took = f"It takes about {_clock(plan.seconds)}. " if plan.seconds is not None else ""
        self.stdout.write(f"{took}{plan.based_on}")
        if plan.same_as is not None:
            self.stdout.write(f"{plan.same_as} was the same, and made model {plan.same_as.model}.")
        for refusal in plan.refusals:
            self.stdout.write(self.style.WARNING(refusal))

    def _see_through(self, run: TrainingRun) -> None:
        stopped: list[int] = []
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, lambda got, frame: stopped.append(got))
        try:
            self._work(run, stop=lambda: bool(stopped))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _work(self, run: TrainingRun, *, stop: Any) -> None:
        while run.is_unfinished and not stop():
            if train_next(only=run.pk, stop=stop, say=self._say) is None and not stop():
                time.sleep(SECONDS_BETWEEN_LOOKS)  # a training worker was faster
                self._say(run.progress)
            run.refresh_from_db()
        if run.is_unfinished:
            raise CommandError(f"Stopped. {run} is queued again; a training worker goes on with it, or cancel it.")
        if run.status != TrainingStatus.DONE or run.model is None:
            raise CommandError(f"{run} is {run.get_status_display().lower()}. {run.error}".strip())
        self.stdout.write(f"{run} is done: model {run.model}.")
        self._compare(run.model, stop=stop)

    def _compare(self, model: ModelVersion, *, stop: Any) -> None:
        request = model.comparison_requests.first()
        while request is not None and request.is_unfinished and not stop():
            if compare_next(only=request.pk, stop=stop) is None and not stop():
                time.sleep(SECONDS_BETWEEN_LOOKS)
            request.refresh_from_db()
        if request is None:
            self.stdout.write("No model is in service to compare it with.")
        elif request.comparison is not None:
            self.stdout.write("\n".join([f"{request.comparison}:", *request.comparison.reasons]))
        else:
            self.stdout.write(self.style.WARNING(request.error or f"{request} waits for a training worker."))

    def _say(self, progress: dict[str, Any]) -> None:
        line = _line_of(progress)
        if line and line != getattr(self, "_said", ""):
            self._said = line
            self.stdout.write(line)


def _dataset(number: int | None) -> Dataset:
    found = Dataset.objects.first() if number is None else Dataset.objects.filter(pk=number).first()
    if found is None:
        raise CommandError("There is no such data set; `build_dataset` builds one.")
    return found


def _line_of(progress: dict[str, Any]) -> str:
    if not progress:
        return ""
    epoch = f", epoch {progress['epoch']} of {progress['epochs']}" if progress.get("epochs") else ""
    left = progress.get("seconds_left")
    return (
        f"{progress.get('stage')}{epoch}: {progress.get('done')} of {progress.get('total')}"
        f"{f', {_clock(left)} left' if left else ''}"
    )


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
