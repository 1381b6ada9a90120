"""The table of claims: what studies say, and what a run measures."""

from __future__ import annotations

from sinkscope.tables.table import Column, Table

OF_MEASURE = "unit of the measure"

TABLES: dict[str, Table] = {
    "claims": Table(
        "one row per claim, subject and model of the run that stands for it. A claim is a "
        "statement of a study, tested by one number per model against a condition.",
        {
            "number": Column("UInt16", "position of the claim in the file of claims, from 0"),
            "claim": Column("String", "short name of the claim"),
            "study": Column(
                "String",
                'study that makes the claim: atlas (Pramodith 2023), second-sink ("Are two '
                'dummies better than one?", 2023), dormant-heads (the post on dormant induction '
                "heads, 2025), literature (other papers, named in source), or design (notes of "
                "this project)",
            ),
            "kind": Column(
                "String",
                "conclusion or hypothesis of the study, number that it prints, or setting of its "
                "experiments",
            ),
            "statement": Column("String", "what is claimed, in a sentence"),
            "source": Column("String", "where the study says it"),
            "subject": Column("String", "published model that the claim speaks about"),
            "model": Column(
                "String",
                "model of the run that is the subject, or a relative of it; null if the run has "
                "neither, or lacks a table that the measure reads",
            ),
            "is_relative": Column(
                "Boolean",
                "whether model is only a relative: another softmax model of the same "
                "architecture, which decides nothing",
            ),
            "measure": Column("String", "name of the function that computes the number"),
            "options": Column("String", "arguments of the measure, as a JSON object"),
            "condition": Column("String", "what the measured number must satisfy, in words"),
            "published": Column(
                "Float64",
                "number that the study prints for the subject; null if it prints none",
                OF_MEASURE,
            ),
            "measured": Column(
                "Float64",
                "number that the measure gives for model; null if model is null, if the run lacks "
                "what the measure needs, or if what the claim speaks about (a sink, an induction "
                "head) does not exist in the model",
                OF_MEASURE,
            ),
            "difference": Column(
                "Float64", "measured minus published; null if either is null", OF_MEASURE
            ),
            "meets": Column(
                "Boolean",
                "whether measured satisfies the condition; false if what the claim speaks about "
                "does not exist in the model; null if it could not be measured",
            ),
            "verdict": Column(
                "String",
                "for this row: holds, does not hold, or not tested here (always for a relative)",
            ),
            "why": Column(
                "String",
                "why the row has no number or decides nothing, in sentences; empty otherwise",
            ),
            "overall": Column(
                "String",
                "for the claim over all subjects: does not hold (for one subject or more), holds "
                "(for every subject), holds where tested (some subjects were not tested), or not "
                "tested here (also if a claim about encoders and decoders was tested on one kind "
                "only)",
            ),
        },
        sort=("number", "subject", "model"),
    ),
}
