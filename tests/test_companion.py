"""A companion keeps a teacher's space within reach, and stays as it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hetvs.encoders import open_encoder
from hetvs.errors import ConfigError
from hetvs.files import digest_file
from hetvs.manifest import Manifest
from hetvs.models.heads import PrototypeHead
from hetvs.models.storage import load_prototypes
from hetvs.training.companion import Companion
from hetvs.training.teacher import train_teacher
from tests.test_training import TEACHER
