"""File transfers of every strategy that runs on one machine."""

from __future__ import annotations

import os
from pathlib import Path

import covalent as ct

from ..case import Setting, Workflow, case


def source(setting: Setting, name: str = "in.txt", text: str = "carried") -> Path:
    path = setting.place / name
    path.write_text(text)
    return path


@case("Files are copied before an electron, which gets their names as files=")
def files_before(setting: Setting) -> Workflow:
    first, second = source(setting), source(setting, "other.txt", "also")
    transfers = [
        ct.fs.FileTransfer(f"file://{first}", f"file://{setting.place}/to/out.txt"),
        ct.fs.FileTransfer(str(second), str(setting.place / "two.txt")),
    ]

    @ct.electron(files=transfers)
    def read(files):
        return [Path(to).read_text() for _, to in files], repr(files)

    def workflow():
        return read()

    return Workflow(workflow)


@case("A file is copied after an electron")
def files_after(setting: Setting) -> Workflow:
    target = setting.place / "out.txt"
    made = setting.place / "made.txt"
    transfer = ct.fs.FileTransfer(str(made), str(target), order=ct.fs.Order.AFTER)

    @ct.electron(files=[transfer])
    def write(files):
        made.write_text("made by the task")
        return len(files)

    def workflow():
        return write()

    return Workflow(workflow)


@case("A temporary file is made where a transfer names none")
def temporary_files(setting: Setting) -> Workflow:
    transfer = ct.fs.FileTransfer(str(source(setting)))

    @ct.electron(files=[transfer])
    def read(files):
        _, to = files[0]
        text = Path(to).read_text()
        Path(to).unlink()
        return text

    def workflow():
        return read()

    return Workflow(workflow)


@case("A transfer of a file that does not exist fails")
def missing_file(setting: Setting) -> Workflow:
    transfer = ct.fs.FileTransfer(str(setting.place / "absent"), str(setting.place / "out"))

    @ct.electron(files=[transfer])
    def read(files):
        return files

    def workflow():
        return read()

    return Workflow(workflow)


@case("HTTP strategy: download before an electron")
def http_download(setting: Setting) -> Workflow:
    target = setting.place / "page"
    transfer = ct.fs.TransferFromRemote(
        f"{setting.server}/favicon.ico", str(target), strategy=ct.fs_strategies.HTTP()
    )

    @ct.electron(files=[transfer])
    def read(files):
        size = target.stat().st_size
        target.unlink()
        return size > 0

    def workflow():
        return read()

    return Workflow(workflow)


@case("S3 strategy: upload after an electron")
def s3_upload(setting: Setting) -> Workflow:
    bucket = "parity-" + "".join(c for c in setting.place.name if c.isalnum()).lower()[:40]
    aws = dict(setting.aws)
    transfer = ct.fs.TransferToRemote(
        f"s3://{bucket}/made.txt", str(source(setting, "made.txt")), strategy=ct.fs_strategies.S3()
    )

    def find_aws():
        os.environ.update(aws)

    def make_bucket():
        import boto3

        boto3.client("s3").create_bucket(Bucket=bucket)

    def look():
        import boto3

        read = boto3.client("s3").get_object(Bucket=bucket, Key="made.txt")["Body"].read()
        (setting.place / "uploaded").write_bytes(read)
        for name in aws:
            os.environ.pop(name)

    @ct.electron(
        files=[transfer],
        call_before=[ct.DepsCall(find_aws), ct.DepsCall(make_bucket)],
        call_after=ct.DepsCall(look),
    )
    def write(files):
        Path(files[0]).write_text("made by the task")
        return "written"

    def workflow():
        return write()

    return Workflow(workflow)
