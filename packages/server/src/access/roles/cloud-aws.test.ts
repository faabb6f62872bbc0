import { expect, test } from "vitest";
import { awsEndpoint } from "./cloud-aws.ts";

test.each([
  ["arn:aws:iam::123456789012:role/x", undefined, "https://sts.us-east-1.amazonaws.com/"],
  ["arn:aws:iam::123456789012:role/x", "eu-west-1", "https://sts.eu-west-1.amazonaws.com/"],
  ["arn:aws-cn:iam::123456789012:role/x", undefined, "https://sts.cn-north-1.amazonaws.com.cn/"],
  ["arn:aws-cn:iam::123456789012:role/x", "cn-northwest-1", "https://sts.cn-northwest-1.amazonaws.com.cn/"],
  ["arn:aws-us-gov:iam::123456789012:role/x", undefined, "https://sts.us-gov-west-1.amazonaws.com/"],
])("STS of %s in region %s is at %s", (roleArn, region, url) => {
  expect(awsEndpoint({ provider: "aws", roleArn, region })).toBe(url);
  expect(awsEndpoint({ provider: "aws", roleArn, region, stsEndpoint: "https://sts.example.com/" })).toBe("https://sts.example.com/");
});
