"""File transfers of every strategy that runs on one machine."""

from __future__ import annotations

import os
import shutil
from configparser import ConfigParser
from pathlib import Path

import covalent as ct
from covalent._file_transfer.strategies.shutil_strategy import Shutil

from ..case import COMPLETED, FAILED, Setting, Workflow, case


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


@case("A transfer of a file that does not exist fails", ends=FAILED)
def missing_file(setting: Setting) -> Workflow:
    transfer = ct.fs.FileTransfer(str(setting.place / "absent"), str(setting.place / "out"))

    @ct.electron(files=[transfer])
    def read(files):
        return files

    def workflow():
        return read()

    return Workflow(workflow)


@case("A file before and another after the same electron: an order for each")
def files_before_and_after(setting: Setting) -> Workflow:
    made, kept = setting.place / "made.txt", setting.place / "kept" / "made.txt"
    transfers = [
        ct.fs.FileTransfer(str(made), str(kept), order=ct.fs.Order.AFTER),
        ct.fs.FileTransfer(str(source(setting)), str(setting.place / "to.txt")),
    ]

    @ct.electron(files=transfers)
    def task(files):
        made.write_text(Path(files[1][1]).read_text().upper())
        return [[Path(name).name for name in names] for names in files], kept.exists()

    def workflow():
        return task()

    return Workflow(workflow)


@case("A file before an electron whose result is unpacked: Covalent repeats the transfer")
def files_and_unpacking(setting: Setting) -> Workflow:
    here, there = ct.fs.File(str(source(setting))), ct.fs.File(f"{setting.place}/to.txt")
    transfer = ct.fs.FileTransfer(here, there)

    @ct.electron(files=[transfer])
    def pair(number, files):
        return number, Path(files[0][1]).read_text()

    def workflow():
        number, text = pair(number=1)
        return text, number

    return Workflow(workflow)


def copied_folder(setting: Setting, strategy: object) -> Workflow:
    """Return a workflow whose electron reads a folder that a transfer has copied."""
    folder, target = setting.place / "folder", setting.place / "copy"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("one")
    transfer = ct.fs.FileTransfer(
        ct.fs.Folder(str(folder)), ct.fs.Folder(str(target)), strategy=strategy
    )

    @ct.electron(files=[transfer])
    def read(files):
        return sorted(str(path.relative_to(target)) for path in target.rglob("*")), len(files)

    def workflow():
        return read()

    return Workflow(workflow)


@case("A folder on the same host: the strategy Shutil refuses folders", ends=FAILED)
def folder_with_shutil(setting: Setting) -> Workflow:
    return copied_folder(setting, Shutil())


RSYNC = COMPLETED if shutil.which("rsync") else FAILED


@case("A folder on the same host: the strategy Rsync; it fails where rsync is missing", ends=RSYNC)
def folder_with_rsync(setting: Setting) -> Workflow:
    return copied_folder(setting, ct.fs_strategies.Rsync())


class Tree(Shutil):
    """A strategy of the user's: it copies a folder."""

    def cp(self, from_file, to_file):
        start, end = from_file.filepath, to_file.filepath

        def copy():
            import shutil

            shutil.copytree(start, end)

        return copy


@case("A folder on the same host: a strategy of the user's")
def folder_with_a_strategy_of_the_users(setting: Setting) -> Workflow:
    return copied_folder(setting, Tree())


@case("HTTP strategy: download before an electron, chosen by the scheme")
def http_download(setting: Setting) -> Workflow:
    target = setting.place / "page"
    transfer = ct.fs.TransferFromRemote(f"{setting.server}/favicon.ico", str(target))

    @ct.electron(files=[transfer])
    def read(files):
        size = target.stat().st_size
        target.unlink()
        return size > 0

    def workflow():
        return read()

    return Workflow(workflow)


@case("HTTP strategy: a download that the server refuses fails", ends=FAILED)
def http_download_that_fails(setting: Setting) -> Workflow:
    transfer = ct.fs.TransferFromRemote(
        f"{setting.server}/api/v2/dispatches/none",
        str(setting.place / "page"),
        strategy=ct.fs_strategies.HTTP(),
    )

    @ct.electron(files=[transfer])
    def read(files):
        return files

    def workflow():
        return read()

    return Workflow(workflow)


def bucket_of(setting: Setting, **objects: str) -> str:
    """Make a bucket with objects in the local AWS; return its name."""
    s3 = client(setting)
    bucket = "parity-" + "".join(c for c in setting.place.name if c.isalnum()).lower()[:50]
    s3.create_bucket(Bucket=bucket)
    for name, text in objects.items():
        s3.put_object(Bucket=bucket, Key=f"folder/{name}", Body=text.encode())
    return bucket


def client(setting: Setting):
    import boto3
    from botocore.config import Config

    file = Path(setting.aws["AWS_SHARED_CREDENTIALS_FILE"])
    parser = ConfigParser()
    parser.read(file)
    keys = parser["default"]
    return boto3.Session(keys["aws_access_key_id"], keys["aws_secret_access_key"]).client(
        "s3",
        endpoint_url=setting.aws["AWS_ENDPOINT_URL"],
        region_name=setting.aws["AWS_DEFAULT_REGION"],
        config=Config(signature_version="s3v4"),
    )


class Environment(Shutil):
    """Sets environment variables where a transfer would be made.

    Transfers run before every hook, and Covalent's S3 strategy has no option for an endpoint.
    """

    def __init__(self, variables):
        self.variables = dict(variables)

    def cp(self, from_file, to_file):
        variables = self.variables

        def set_them():
            os.environ.update(variables)

        return set_them


def with_s3(setting: Setting, transfer: ct.fs.FileTransfer, task, bucket: str) -> Workflow:
    """Return a workflow of one electron with a transfer from or to the local AWS."""
    aws = dict(setting.aws)
    # A transfer that names no target would leave an empty file.
    nothing = str(setting.place / "nothing")
    first = ct.fs.FileTransfer(nothing, nothing, strategy=Environment(aws))

    def keep_what_the_bucket_has():
        import boto3

        s3 = boto3.client("s3")
        for found in s3.list_objects_v2(Bucket=bucket).get("Contents", []):
            read = s3.get_object(Bucket=bucket, Key=found["Key"])["Body"].read()
            with (setting.place / "bucket").open("a") as file:
                file.write(f"{found['Key']}: {read!r}\n")
        for name in aws:
            os.environ.pop(name)

    electron = ct.electron(
        task, files=[first, transfer], call_after=ct.DepsCall(keep_what_the_bucket_has)
    )

    def workflow():
        return electron()

    return Workflow(workflow)


@case("HTTP strategy: upload after an electron, to a presigned URL")
def http_upload(setting: Setting) -> Workflow:
    bucket = bucket_of(setting)
    # Covalent reads the file's length when the workflow is built.
    made = source(setting, "made.txt", "made by the task")
    url = client(setting).generate_presigned_url(
        "put_object", {"Bucket": bucket, "Key": "made.txt"}, ExpiresIn=3600
    )

    def write(files):
        made.write_text("MADE BY THE TASK")
        return len(files)

    transfer = ct.fs.TransferToRemote(url, str(made), strategy=ct.fs_strategies.HTTP())
    return with_s3(setting, transfer, write, bucket)


@case("S3 strategy: upload after an electron")
def s3_upload(setting: Setting) -> Workflow:
    bucket = bucket_of(setting)
    made = source(setting, "made.txt")

    def write(files):
        made.write_text("made by the task")
        return len(files)

    transfer = ct.fs.TransferToRemote(
        f"s3://{bucket}/made.txt", str(made), strategy=ct.fs_strategies.S3()
    )
    return with_s3(setting, transfer, write, bucket)


@case("S3 strategy: download before an electron, chosen by the scheme")
def s3_download(setting: Setting) -> Workflow:
    bucket = bucket_of(setting, a="one")
    target = setting.place / "got"

    def read(files):
        return target.read_text()

    transfer = ct.fs.TransferFromRemote(f"s3://{bucket}/folder/a", str(target))
    return with_s3(setting, transfer, read, bucket)


@case("S3 strategy: an object that does not exist fails", ends=FAILED)
def s3_download_that_fails(setting: Setting) -> Workflow:
    bucket = bucket_of(setting)
    transfer = ct.fs.TransferFromRemote(f"s3://{bucket}/none", str(setting.place / "got"))

    def read(files):
        return files

    return with_s3(setting, transfer, read, bucket)


@case("S3 strategy: upload of a folder")
def s3_upload_of_a_folder(setting: Setting) -> Workflow:
    bucket = bucket_of(setting)
    folder = setting.place / "made"
    folder.mkdir()

    def write(files):
        (folder / "inner").mkdir()
        (folder / "inner" / "a").write_text("one")
        (folder / "b").write_text("two")
        return len(files)

    transfer = ct.fs.TransferToRemote(f"s3://{bucket}/to/", f"{folder}/")
    return with_s3(setting, transfer, write, bucket)


def downloaded(setting: Setting, prefix: str) -> Workflow:
    """Return a workflow whose electron lists what a transfer has fetched from below a prefix."""
    bucket = bucket_of(setting, a="one", b="two")
    target = setting.place / "got"

    def read(files):
        return sorted(str(path.relative_to(target)) for path in target.rglob("*"))

    transfer = ct.fs.TransferFromRemote(f"s3://{bucket}/{prefix}", f"{target}/")
    return with_s3(setting, transfer, read, bucket)


@case("S3 strategy: download of a folder fails: Covalent repeats its prefix", ends=FAILED)
def s3_download_of_a_folder(setting: Setting) -> Workflow:
    return downloaded(setting, "folder/")


@case("S3 strategy: download of a whole bucket")
def s3_download_of_a_bucket(setting: Setting) -> Workflow:
    return downloaded(setting, "")
