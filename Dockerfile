# The image of scheduler, workers and driver: one for all, so that all render the same pixels.
#   docker build -t hfdask .
#   docker run --rm -v "$PWD:/work" hfdask hfdask render examples/title -o out/title.mp4
#   docker compose -f docs/compose.yaml up --build --detach
# A rebuild gets the Chromium of its day, and plans are locked to one: build once, push, and name the image by its digest.
FROM python:3.11-slim-bookworm AS installed

RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends \
      chromium-headless-shell fontconfig fonts-liberation fonts-dejavu-core tini util-linux \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/hfdask
COPY pyproject.toml README.md LICENSE ./
COPY hfdask hfdask
RUN pip install --no-cache-dir '.[s3,gcs,dashboard,analysis]'

# The planner's fonts, which npm fetches. Workers need none: a plan carries the fonts that its pages use.
FROM installed AS fonts
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends npm
RUN HFDASK_FONTS=/fonts hfdask install-fonts

FROM installed
COPY --from=fonts /fonts /usr/local/share/hfdask/fonts
COPY hfdask/cluster/dask.yaml /etc/dask/hfdask.yaml

# Chromium's sandbox needs a user other than root, and user namespaces, which most container runtimes forbid: without them it
# is off, and the container is all that confines a page. The number is for runtimes that want to see that it is not root.
RUN useradd --create-home --uid 1000 render \
 && install -d -m 1777 /cache \
 && install -d -o render -g render /work
USER 1000
ENV HFDASK_CACHE=/cache PYTHONUNBUFFERED=1
WORKDIR /work
RUN hfdask doctor

EXPOSE 8786 8787
# An init, because Chromium leaves processes to the first process of the container. With -s it collects them also if it is not the first.
ENTRYPOINT ["tini", "-s", "--"]
CMD ["hfdask", "--help"]
