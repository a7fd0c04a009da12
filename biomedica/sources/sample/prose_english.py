"""English sentences of the sample, by what a picture shows and where a paragraph stands.

`{slot}` is filled from the article's context or with a number; `§` is where figures are named.
"""

from __future__ import annotations

__all__ = ["CLAIMS", "DETAILS", "FILLERS", "LEADS", "SECTION_TITLES", "TAILS", "TITLES"]

TITLES = (
    "{Agent} modulates *{gene}* signalling in {disease}",
    "Imaging and molecular features of {disease}: a {design} of {n} patients",
    "Loss of *{gene}* alters {process} in the {organ}",
    "Effect of {agent} on {process} in {disease}",
    "{Process} and outcome in {disease}: a {design}",
    "*{gene}* and *{gene2}* expression predict response to {agent} in {disease}",
    "Early changes of the {organ} in {disease}",
)

LEADS = {
    "histology": (
        "Histology of the {organ} in {disease}.",
        "Haematoxylin and eosin stained tissue of the {organ}.",
        "Microscopic appearance of {disease}.",
    ),
    "immunohistochemistry": (
        "Immunohistochemical staining for {gene} in the {organ}.",
        "{gene} protein is expressed in {disease}.",
    ),
    "fluorescence": (
        "Fluorescence microscopy of {cells} after exposure to {agent}.",
        "Localisation of {gene} in {cells}.",
        "Confocal images of {cells} stained for {gene}.",
    ),
    "electron_micrograph": (
        "Ultrastructure of {cells}.",
        "Transmission electron microscopy of the {organ}.",
    ),
    "radiograph": (
        "Plain radiograph at presentation.",
        "Radiographic findings in a patient with {disease}.",
    ),
    "ct": (
        "Computed tomography of a patient with {disease}.",
        "Axial CT images before and after {agent}.",
    ),
    "gel/blot": (
        "Immunoblot analysis of {gene} in {cells}.",
        "{Agent} changes the abundance of {gene} and {gene2}.",
    ),
    "gel/agarose": ("Electrophoresis of products amplified from *{gene}*.",),
    "line_plot/survival": ("Survival of patients with {disease}.",),
    "line_plot": (
        "Time course of the response to {agent}.",
        "Change of the outcome over time in {disease}.",
    ),
    "bar_plot": (
        "{Agent} reduces {process} in {cells}.",
        "Comparison of groups in the {organ} model.",
    ),
    "scatter_plot": (
        "Relation between two markers of {disease}.",
        "Individual measurements in {n} participants.",
    ),
    "heatmap": (
        "Expression profile of the {organ} in {disease}.",
        "Heat map of differentially expressed genes.",
    ),
    "flow_diagram": (
        "Flow diagram of the participants.",
        "Selection of patients with {disease}.",
    ),
    "chemical_structure": (
        "Chemical structure of {agent} and its analogues.",
        "Structure of the synthesised compound.",
    ),
    "map": (
        "Geographical distribution of {disease}.",
        "Map of the study area.",
    ),
    "table": (
        "Baseline characteristics of the participants.",
        "Clinical features by treatment group.",
    ),
}

DETAILS = {
    "histology": (
        "Haematoxylin and eosin stained section of the {organ} with {finding}; scale bar, {w0}.",
        "Tissue section of {disease} with glands lined by dark nuclei and a pink stroma "
        "(haematoxylin and eosin; scale bar, {w0}).",
    ),
    "immunohistochemistry": (
        "Immunohistochemistry for {gene}: brown chromogen marks positive cells among blue "
        "counterstained nuclei; scale bar, {w0}.",
        "Brown {gene} staining in {pct}% of cells of the {organ}; scale bar, {w0}.",
    ),
    "fluorescence/merge": (
        "Merged fluorescence image of {cells}: nuclei (DAPI, blue), {gene} (green) and {gene2} "
        "spots (red); scale bar, {w0}.",
    ),
    "fluorescence/nuclei": ("DAPI-stained nuclei (blue) of {cells}; scale bar, {w0}.",),
    "fluorescence/cytoplasm": (
        "{gene} immunofluorescence (green) fills the cytoplasm of {cells}; scale bar, {w0}.",
    ),
    "fluorescence/spots": ("Red {gene2} spots around blue nuclei of {cells}; scale bar, {w0}.",),
    "electron_micrograph": (
        "Transmission electron micrograph showing mitochondria with cristae and small vesicles; "
        "scale bar, {w0}.",
        "Electron micrograph of {cells} with swollen mitochondria; scale bar, {w0}.",
    ),
    "radiograph/chest": (
        "Posteroanterior chest radiograph of a {age}-year-old {sex} with {disease}.",
        "Chest X-ray on day {day} with clear lung fields and a heart of {finding2} size.",
    ),
    "radiograph/knee": (
        "Anteroposterior radiograph of the knee of a {age}-year-old {sex}.",
        "Knee X-ray with a {finding2} joint space between femur and tibia.",
    ),
    "ct/abdomen": (
        "Axial contrast-enhanced CT slice of the abdomen with a hypodense liver lesion (arrow).",
        "Abdominal CT of a {age}-year-old {sex}: focal lesion of {mm} mm (arrow).",
    ),
    "ct/thorax": (
        "Axial chest CT with a solid pulmonary nodule of {mm} mm (arrow).",
        "CT slice of the thorax: nodule in the lung (arrow) of a {age}-year-old {sex}.",
    ),
    "gel/blot": (
        "Western blot of {wlist} in lysates of {cells}; dark bands mark the proteins.",
        "Immunoblots for {wlist} at increasing dose of {agent}, with {wlast} as loading control.",
    ),
    "gel/agarose": (
        "Agarose gel of PCR products of *{gene}*; lane M, size marker; bright bands, amplicons.",
    ),
    "line_plot/": (
        "{w1} plotted against {x} for {series}; points are means and bars standard errors.",
        "Curves of {w1} over {x} in {series}.",
    ),
    "line_plot/survival": ("Kaplan–Meier curves of {w1} for {series} (log-rank *P* = {p}).",),
    "bar_plot": (
        "Bar chart of {w1} in {series}; bars are means, whiskers standard deviations.",
        "{w1} by group ({series}); *P* < {p} for asterisked bars.",
    ),
    "scatter_plot/correlation": (
        "Scatter plot of {w1} against {w0} with fitted line ($r^{{2}}$ = {r}).",
        "Each point is one of {n} participants: {w0} on the horizontal and {w1} on the vertical axis.",
    ),
    "scatter_plot/clusters": ("Scatter plot separating {series} by {w0} and {w1}.",),
    "heatmap": (
        "Heat map of {wlist}; rows are genes, columns are samples, colour is the z-score.",
        "Clustered expression matrix of {wlist} with colour scale at right.",
    ),
    "flow_diagram": (
        "Flow chart from assessment to analysis: boxes give the number at each step.",
        "Boxes and arrows show how {n} records were screened and excluded.",
    ),
    "chemical_structure": (
        "Skeletal formula of {w0} with its fused rings.",
        "Two-dimensional structure of {w0}, a derivative of {agent}.",
    ),
    "map": (
        "Choropleth map of {w0} by district; darker colour means more cases.",
        "Districts coloured by {w0}; the sea is pale blue.",
    ),
    "table": ("Values are means or percentages for {wlist}.",),
}

TAILS = (
    "Data are mean ± SD of {k} independent experiments.",
    "*n* = {k} per group; *P* < {p} by two-sided test.",
    "Cells were seeded at 2 × 10^{k}^ per well and treated with {dose} µM {agent}.",
    "CO~2~ was kept at 5% throughout.",
    "The model explained a share $r^{{2}}$ = {r} of the variance.",
    "Images are representative of {k} animals.",
    "Abbreviations: CI, confidence interval; SD, standard deviation.",
)

CLAIMS = {
    "histology": (
        "sections of the {organ} showed {finding}",
        "the tissue architecture of {disease} was disturbed",
    ),
    "immunohistochemistry": ("{gene} staining was found in {pct}% of the cells",),
    "fluorescence": (
        "{gene} moved from the cytoplasm towards the nuclei of {cells}",
        "the signal of {gene2} rose in treated {cells}",
    ),
    "electron_micrograph": ("mitochondria of {cells} lost their cristae",),
    "radiograph": ("plain films gave no sign of {finding3}",),
    "ct": ("tomography revealed a lesion of {mm} mm", "the lesion shrank by {pct}% under {agent}"),
    "gel": ("the abundance of {gene} fell with the dose of {agent}", "bands of {gene2} became faint"),
    "line_plot": ("the curves parted after day {day}", "treated animals recovered within {k} weeks"),
    "bar_plot": ("{agent} lowered the mean by {pct}%", "the groups differed by {pct}%"),
    "scatter_plot": ("the two markers were related ($r^{{2}}$ = {r})",),
    "heatmap": ("{n} genes differed between the groups",),
    "flow_diagram": ("{n} participants entered the analysis",),
    "chemical_structure": ("the compound was obtained in a yield of {pct}%",),
    "map": ("the southern districts had the highest incidence",),
    "table": ("the groups were alike at baseline",),
}

FILLERS = {
    "introduction": (
        "{Disease} remains a frequent cause of morbidity in adults.",
        "Its course is shaped by {process}, yet the steps involved are poorly understood.",
        "Earlier work linked *{gene}* to {process} in animal models.",
        "Whether {agent} acts on this pathway has not been examined in the {organ}.",
        "Treatment with {agent} is limited by toxicity and by the late onset of its effect.",
        "Reports disagree about the role of *{gene2}*, perhaps because cohorts were small.",
        "Roughly {pct}% of patients do not respond to standard treatment.",
        "Here we ask how {process} changes in the course of {disease}.",
        "A better marker would allow treatment to start before damage is permanent.",
    ),
    "methods": (
        "{Cells} were kept at 37 °C in humid air with 5% CO~2~.",
        "Tissue was fixed in 4% formaldehyde, embedded and cut at {k} µm.",
        "Proteins were separated by electrophoresis and transferred to membranes.",
        "Participants gave written consent, and the local committee approved the protocol.",
        "RNA was extracted with a column kit and its integrity was checked.",
        "Groups were compared with a linear mixed model; *P* < 0.05 was called significant.",
        "Doses of {agent} ranged from 1 to {dose} µM.",
        "Images were acquired with the same exposure in all groups.",
        "Two readers who did not know the groups scored each image.",
        "Animals were housed in groups of {k} with free access to food and water.",
    ),
    "results": (
        "The effect was seen in both sexes and at every dose above {k} µM.",
        "No animal died before the end of the experiment.",
        "Median follow-up was {n} days, with {k} patients lost.",
        "The difference held after adjustment for age and body mass index.",
        "Silencing of *{gene2}* abolished the effect.",
        "Viability stayed above {pct}% in all wells.",
        "A second batch of {cells} gave the same result.",
        "Variation between replicates was below {k}%.",
    ),
    "discussion": (
        "Our data indicate that {agent} acts through *{gene}* in the {organ}.",
        "This agrees with the slow course of {disease} seen in practice.",
        "A direct effect on {process} is the simplest reading of these results.",
        "The study has limits: it was done at one centre and the cohort was small.",
        "We cannot exclude that *{gene2}* compensates for the loss of *{gene}*.",
        "Larger series with longer follow-up are needed.",
        "The size of the effect, about {pct}%, is of clinical interest.",
        "Differences in dose may explain why others found no benefit.",
        "Taken together, the findings support a role of {process} in {disease}.",
    ),
}

SECTION_TITLES = {
    "introduction": "Introduction",
    "methods": "Materials and methods",
    "results": "Results",
    "discussion": "Discussion",
    "conclusion": "Conclusions",
    "background": "Background",
    "appendix": "Additional observations",
    "method_parts": ("Cells and animals", "Imaging", "Statistical analysis"),
}
