"""Service quotas of EC2, which moto lacks: as low as a new account's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

# Of a new account: vCPUs of running instances, by the quota's code.
QUOTAS: Mapping[str, tuple[str, float]] = {
    "L-1216C47A": ("Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 32.0),
    "L-34B43A08": ("All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 32.0),
    "L-DB2E81BA": ("Running On-Demand G and VT instances", 0.0),
    "L-3819A6DF": ("All G and VT Spot Instance Requests", 0.0),
    "L-417A185B": ("Running On-Demand P instances", 0.0),
    "L-7212CCBC": ("All P4, P3 and P2 Spot Instance Requests", 0.0),
}


def install() -> None:
    """Add the quotas to moto's; once, before its server starts."""
    from moto.servicequotas.responses import ServiceQuotasResponse

    of_moto = ServiceQuotasResponse.get_service_quota
    ServiceQuotasResponse.get_service_quota = lambda self: _get(self) or of_moto(self)
    ServiceQuotasResponse.list_service_quotas = _list
    ServiceQuotasResponse.list_aws_default_service_quotas = _list


def _get(response: Any) -> str | None:
    parameters = json.loads(response.body)
    code = parameters.get("QuotaCode")
    if parameters.get("ServiceCode") != "ec2" or code not in QUOTAS:
        return None
    return json.dumps({"Quota": _quota(response, code)})


def _list(response: Any) -> str:
    is_ec2 = json.loads(response.body).get("ServiceCode") == "ec2"
    found = [_quota(response, code) for code in QUOTAS] if is_ec2 else []
    return json.dumps({"Quotas": found})


def _quota(response: Any, code: str) -> dict[str, Any]:
    name, value = QUOTAS[code]
    account, region = response.current_account, response.region
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region}:{account}:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
