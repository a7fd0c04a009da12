"""Topics of the sample: what is studied, the words for it, and which pictures it brings."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMPOUNDS", "FAMILIES", "GENES", "GIVEN", "PLACES", "TOPICS", "Topic"]


@dataclass(frozen=True, slots=True)
class Topic:
    """Words and kinds of picture of one field. A kind listed twice comes twice as often."""

    subject: str
    organs: tuple[str, ...]
    diseases: tuple[str, ...]
    agents: tuple[str, ...]
    cells: tuple[str, ...]
    processes: tuple[str, ...]
    keywords: tuple[str, ...]
    kinds: tuple[str, ...]


TOPICS = (
    Topic(
        "Oncology",
        ("colon", "stomach", "breast", "prostate"),
        ("colorectal adenocarcinoma", "gastric carcinoma", "ductal carcinoma", "prostate cancer"),
        ("cisplatin", "oxaliplatin", "paclitaxel", "olaparib"),
        ("HCT116 cells", "MCF-7 cells", "PC-3 cells"),
        ("tumour growth", "cell invasion", "angiogenesis"),
        ("neoplasm", "biomarker", "survival", "chemotherapy"),
        ("histology", "histology", "immunohistochemistry", "immunohistochemistry", "gel", "bar_plot", "line_plot", "ct", "heatmap"),
    ),
    Topic(
        "Cell biology",
        ("kidney", "retina", "hippocampus", "heart"),
        ("polycystic kidney disease", "retinal degeneration", "cardiomyopathy"),
        ("rapamycin", "nocodazole", "bafilomycin A1"),
        ("HeLa cells", "primary neurons", "podocytes", "fibroblasts"),
        ("autophagy", "ciliary assembly", "endosomal transport"),
        ("autophagy", "cytoskeleton", "microscopy", "signal transduction"),
        (
            "fluorescence", "fluorescence", "electron_micrograph", "gel",
            "bar_plot", "line_plot", "scatter_plot", "histology",
        ),
    ),
    Topic(
        "Radiology",
        ("liver", "lung", "knee", "pancreas"),
        ("hepatocellular carcinoma", "community-acquired pneumonia", "osteoarthritis", "sarcoidosis"),
        ("prednisolone", "sorafenib", "hyaluronic acid"),
        ("hepatocytes", "alveolar macrophages", "chondrocytes"),
        ("lesion growth", "cartilage loss", "fibrosis"),
        ("computed tomography", "radiography", "diagnosis", "follow-up"),
        ("radiograph", "radiograph", "ct", "ct", "scatter_plot", "bar_plot", "table", "flow_diagram"),
    ),
    Topic(
        "Medicinal chemistry",
        ("liver", "brain", "small intestine"),
        ("tuberculosis", "malaria", "Alzheimer disease"),
        ("isoniazid", "artesunate", "donepezil", "quercetin"),
        ("Vero cells", "HepG2 cells", "Caco-2 cells"),
        ("enzyme inhibition", "oxidative stress", "membrane transport"),
        ("drug design", "inhibitor", "docking", "structure-activity relationship"),
        ("chemical_structure", "chemical_structure", "line_plot", "bar_plot", "table", "heatmap"),
    ),
    Topic(
        "Epidemiology",
        ("lung", "liver", "skin"),
        ("dengue fever", "type 2 diabetes", "tuberculosis", "cutaneous leishmaniasis"),
        ("vaccination", "metformin", "ivermectin"),
        ("peripheral blood cells", "monocytes"),
        ("transmission", "hospital admission", "glycaemic control"),
        ("incidence", "risk factors", "cohort study", "surveillance"),
        ("map", "map", "flow_diagram", "line_plot", "bar_plot", "table", "scatter_plot", "radiograph"),
    ),
    Topic(
        "Genomics",
        ("bone marrow", "thymus", "ovary"),
        ("acute myeloid leukaemia", "endometriosis", "severe combined immunodeficiency"),
        ("azacitidine", "venetoclax", "letrozole"),
        ("K562 cells", "CD34-positive cells", "granulosa cells"),
        ("DNA methylation", "clonal expansion", "differentiation"),
        ("transcriptome", "gene expression", "sequencing", "methylation"),
        ("heatmap", "heatmap", "scatter_plot", "gel", "line_plot", "bar_plot", "fluorescence"),
    ),
)  # fmt: skip

GENES = (
    "TP53", "MYC", "KRAS", "EGFR", "IL6", "TNF", "BCL2", "STAT3", "NOTCH1", "PTEN", "SOX9", "VIM",
    "CDH1", "FOXO3", "GATA4", "HIF1A", "MAPK1", "NFKB1", "PPARG", "SIRT1",
)  # fmt: skip

COMPOUNDS = ("compound 3", "compound 7a", "compound 12", "analogue 5b", "intermediate 9")

GIVEN = (
    "Aiko", "Bruno", "Chiara", "Dmitri", "Elena", "Farid", "Grace", "Hiroshi", "Ingrid", "João",
    "Katarzyna", "Liang", "María", "Nadia", "Olu", "Priya", "Quentin", "Rosa", "Sven", "Thandiwe",
    "Ursula", "Viktor", "Wei", "Xiomara", "Yusuf", "Zoë",
)  # fmt: skip

FAMILIES = (
    "Abe", "Almeida", "Bianchi", "Castro", "Duarte", "Eriksson", "Fofanah", "García", "Hansen",
    "Ito", "Jansen", "Kowalska", "Li", "Müller", "Nkosi", "O'Neill", "Petrov", "Quispe", "Rossi",
    "Santos", "Tanaka", "Usman", "Vasquez", "Wang", "Yilmaz", "Zhou",
)  # fmt: skip

PLACES = (
    ("University of Northmoor", "Northmoor", "United Kingdom"),
    ("Lakeside Medical School", "Lakeside", "Canada"),
    ("Instituto Rio Verde", "Rio Verde", "Brazil"),
    ("Harbour City University", "Harbour City", "Australia"),
    ("Institute of Molecular Medicine", "Altstadt", "Germany"),
    ("Eastern Province Hospital", "Port Marlow", "South Africa"),
    ("Sakura Research Centre", "Minato", "Japan"),
    ("Université du Vallon", "Valloire", "France"),
)
