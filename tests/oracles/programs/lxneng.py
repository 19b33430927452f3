"""The test suite of lxneng's alipay, with its gateways at the simulator."""

import json
import sys
import unittest

import alipay
from alipay.tests import AlipayTests

told = json.load(sys.stdin)
alipay.Alipay.GATEWAY_URL = told["gateway"]
alipay.Alipay.NOTIFY_GATEWAY_URL = (
    told["gateway"] + "?service=notify_verify&partner=%s&notify_id=%s"
)
alipay.WapAlipay.GATEWAY_URL = told["root"] + "/service/rest.htm"
suite = unittest.defaultTestLoader.loadTestsFromTestCase(AlipayTests)
names = [test.id().rsplit(".", 1)[1] for test in suite]
result = unittest.TestResult()
suite.run(result)
bad = [f"{test.id()}: {trace}" for test, trace in result.errors + result.failures]
json.dump({"names": names, "run": result.testsRun, "bad": bad}, sys.stdout)
