/** The types that Go and Python get of a contract. */
import { expect, it } from "vitest";
import { z } from "zod";
import { goFile } from "../scripts/types/go.ts";
import { pythonFile } from "../scripts/types/python.ts";
import { contractOf } from "../scripts/types/shape.ts";
import { jsonSchemaOf } from "../src/index.ts";

const Parcel = z
  .strictObject({
    parcel_id: z.string().meta({ description: "As printed" }),
    weight: z.number(),
    pieces: z.int(),
    is_fragile: z.boolean().optional(),
    note: z.string().nullable(),
    size: z.enum(["s", "extra large"]).optional(),
    stops: z.array(z.strictObject({ at: z.string().nullable().optional() })),
    labels: z.record(z.string(), z.string()).optional(),
    anything: z.unknown(),
  })
  .meta({ title: "parcel.v2", description: "A parcel" });

const parcel = contractOf("parcel.v2", jsonSchemaOf(Parcel));

it("is a struct in Go, as gofmt lays it out", () => {
  expect(goFile([parcel]).split("package contracts\n\n")[1]).toBe(`// ParcelV2 is parcel.v2: A parcel.
type ParcelV2 struct {
	// As printed.
	ParcelID  string              \`json:"parcel_id"\`
	Weight    float64             \`json:"weight"\`
	Pieces    int64               \`json:"pieces"\`
	IsFragile *bool               \`json:"is_fragile,omitempty"\`
	Note      *string             \`json:"note"\`
	Size      *ParcelV2Size       \`json:"size,omitempty"\`
	Stops     []ParcelV2StopsItem \`json:"stops"\`
	Labels    map[string]string   \`json:"labels,omitempty"\`
	Anything  any                 \`json:"anything"\`
}

// ParcelV2StopsItem is a part of ParcelV2.
type ParcelV2StopsItem struct {
	At *string \`json:"at,omitempty"\`
}

// ParcelV2Size is a part of ParcelV2.
type ParcelV2Size string

// The values of ParcelV2Size.
const (
	ParcelV2SizeS          ParcelV2Size = "s"
	ParcelV2SizeExtraLarge ParcelV2Size = "extra large"
)
`);
});

it("is a TypedDict in Python, as ruff lays it out", () => {
  expect(
    pythonFile([parcel]).split("annotations\n\n")[1],
  ).toBe(`from typing import Any, Literal, NotRequired, TypedDict

ParcelV2Size = Literal[
    "s",
    "extra large",
]
"""A part of ParcelV2."""


class ParcelV2StopsItem(TypedDict):
    """A part of ParcelV2."""

    at: NotRequired[str | None]


class ParcelV2(TypedDict):
    """parcel.v2: A parcel."""

    # As printed.
    parcel_id: str
    weight: float
    pieces: int
    is_fragile: NotRequired[bool]
    note: str | None
    size: NotRequired[ParcelV2Size]
    stops: list[ParcelV2StopsItem]
    labels: NotRequired[dict[str, str]]
    anything: Any
`);
});

it("takes keys that are no names, and a contract that is no object", () => {
  const keys = contractOf("k.v1", {
    type: "object",
    properties: { class: { type: "string" } },
    required: [],
  });
  expect(pythonFile([keys])).toContain(`"class": "NotRequired[str]",`);
  expect(goFile([keys])).toContain('Class *string `json:"class,omitempty"`');
  const text = contractOf("t.v1", { type: "string" });
  expect(pythonFile([text])).toContain('TV1 = str\n"""t.v1."""\n');
  expect(goFile([text])).toContain("type TV1 string\n");
});

it("is any where a schema says more than a type can", () => {
  const union = contractOf("u.v1", { oneOf: [{ type: "string" }, { type: "number" }] });
  expect(goFile([union])).toContain("type UV1 any\n");
  expect(pythonFile([union])).toContain("UV1 = Any\n");
});

it("refuses names that would be one and the same, or none", () => {
  const same = { type: "object", properties: { a_b: {}, "a-b": {} } };
  expect(() => goFile([contractOf("s.v1", same)])).toThrow("two fields of SV1 are both called AB in Go");
  expect(() => contractOf("1.v1", {})).toThrow("begin it with a letter");
});
