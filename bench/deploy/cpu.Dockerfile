# Image for CPUs: everything at the versions of constraints.txt, and what a Ray cluster needs.
#
#   docker build -f bench/deploy/cpu.Dockerfile -t bench:cpu .    # in a checkout's top folder
#   docker run --init --shm-size 2g -v "$PWD/results:/home/bench/results" bench:cpu run --dataset adult --budget 10m

FROM python:3.11-slim-bookworm

# LightGBM needs OpenMP; Ray's launcher and KubeRay's probes call the rest.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 procps rsync wget \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/bench
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY bench bench
COPY datasets datasets
COPY search_spaces search_spaces
RUN pip install --no-cache-dir -c constraints.txt --extra-index-url https://download.pytorch.org/whl/cpu ".[cluster]" \
    && python -c "import torch; assert torch.version.cuda is None, torch.version.cuda"

RUN useradd --create-home --uid 1000 bench
USER bench
WORKDIR /home/bench
ENTRYPOINT ["bench"]
CMD ["--help"]
