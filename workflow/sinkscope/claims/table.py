"""The table of claims: statements of studies, and the numbers of a run."""

from sinkscope.tables.columns import INTERVAL, count, flag, layer, number, text
from sinkscope.tables.table import Table

OF_MEASURE = "unit of the measure"

TABLES: dict[str, Table] = {
    "claims": Table(
        "one row per claim, subject and model of the run that stands for it. A claim is a "
        "statement of a study, tested by one number per model against a condition.",
        {
            "number": layer("position of the claim among all, from 0"),
            "claim": text("short name of the claim"),
            "study": text(
                "study that makes the claim: atlas (Pramodith 2023), second-sink (Wray 2023), "
                "dormant-heads (Adewuyi 2025), literature (other papers, named in source), "
                "design (notes of this project), or the name of a project's own file of claims"
            ),
            "kind": text(
                "conclusion or hypothesis of the study, number that it prints, or setting of its "
                "experiments"
            ),
            "statement": text("the claim in a sentence"),
            "source": text("place in the study"),
            "subject": text("published model that the claim speaks about"),
            "model": text(
                "model of the run that is the subject, or a relative; null if the run has "
                "neither, or lacks a table that the measure reads"
            ),
            "is_relative": flag(
                "whether model is only a relative: another softmax model of the same "
                "architecture, which does not affect the verdict"
            ),
            "measure": text("name of the function that computes the number"),
            "options": text("arguments of the measure, as a JSON object"),
            "condition": text("what the measured number must satisfy, in words"),
            "published": number(
                "number that the study prints for the subject; null if it prints none", OF_MEASURE
            ),
            "measured": number(
                "number that the measure gives for model; null if model is null, if the run "
                "lacks data that the measure needs, or if the model lacks what the claim is "
                "about (a sink, an induction head)",
                OF_MEASURE,
            ),
            "low": number(
                f"low end of the {INTERVAL} of measured; null if measured is not a mean or median "
                "over documents (or computed from such), or of fewer than two",
                OF_MEASURE,
            ),
            "high": number("high end of the same interval of measured", OF_MEASURE),
            "n_documents": count(
                "number of documents of measured and its interval; null if measured is not a "
                "mean or median over documents"
            ),
            "difference": number("measured minus published; null if either is null", OF_MEASURE),
            "meets": flag(
                "whether measured satisfies the condition; false if the model lacks what the "
                "claim is about; null if it could not be measured"
            ),
            "is_clear": flag(
                "whether the whole interval gives the same answer as measured; false if it "
                "includes a threshold of the condition, so the answer may differ on other "
                "documents; null without an interval. The verdict follows from measured alone"
            ),
            "verdict": text(
                "for this row: holds, does not hold, or not tested here (always for a relative)"
            ),
            "why": text(
                "why the row has no number or does not affect the verdict, in sentences; empty "
                "otherwise"
            ),
            "sensitivity": text(
                "measured with other plausible definitions, such as other ranges of layers, in "
                "words, with those that change meets; empty if the claim names none"
            ),
            "ablation": text(
                "where meets is false: measured without a cause that could explain the "
                "disagreement (padding, special tokens, length, library), in words, and whether "
                "that meets the condition; empty if the claim names none or the run cannot "
                "measure it"
            ),
            "overall": text(
                "the claim over all subjects: does not hold (for one subject or more), holds "
                "(for every subject), holds where tested (some subjects were not tested), or not "
                "tested here (also if a claim about encoders and decoders was tested on one kind "
                "only)"
            ),
        },
        sort=("number", "subject", "model"),
    ),
}
